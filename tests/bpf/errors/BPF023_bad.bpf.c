// SPDX-License-Identifier: GPL-2.0
/* Each of 10,000 rounds leaves a branch to be looked at later. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int fails(struct __sk_buff *ctx)
{
	__u32 sum = 0;

	for (__u32 i = 0; i < 10000; i++)
		if (bpf_get_prandom_u32() > i)
			sum += i;
	return sum;
}

char LICENSE[] SEC("license") = "GPL";
