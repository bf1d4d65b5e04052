// SPDX-License-Identifier: GPL-2.0
/* A callback's branches are looked at once. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

static long add(__u32 i, __u32 *sum)
{
	if (bpf_get_prandom_u32() > i)
		*sum += i;
	return 0;
}

SEC("tc")
int works(struct __sk_buff *ctx)
{
	__u32 sum = 0;

	bpf_loop(10000, add, &sum, 0);
	return sum;
}

char LICENSE[] SEC("license") = "GPL";
