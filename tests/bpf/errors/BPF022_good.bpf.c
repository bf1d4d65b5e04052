// SPDX-License-Identifier: GPL-2.0
/* bpf_loop() has one round verified. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

static long add(__u32 i, __u32 *sum)
{
	*sum += bpf_get_prandom_u32() % (i + 1);
	return 0;
}

SEC("tc")
int works(struct __sk_buff *ctx)
{
	__u32 sum = 0;

	bpf_loop(1000000, add, &sum, 0);
	return sum;
}

char LICENSE[] SEC("license") = "GPL";
