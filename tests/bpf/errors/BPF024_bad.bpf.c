// SPDX-License-Identifier: GPL-2.0
/* Nothing in the loop counts: it may go on for ever. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int fails(struct __sk_buff *ctx)
{
	while (bpf_get_prandom_u32() % 6)
		;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
