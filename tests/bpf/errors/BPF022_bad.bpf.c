// SPDX-License-Identifier: GPL-2.0
/* The verifier walks through each of a million rounds. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int fails(struct __sk_buff *ctx)
{
	__u32 sum = 0;

	for (__u32 i = 0; i < 1000000; i++)
		sum += bpf_get_prandom_u32() % (i + 1);
	return sum;
}

char LICENSE[] SEC("license") = "GPL";
