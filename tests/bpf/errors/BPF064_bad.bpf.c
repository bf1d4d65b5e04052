// SPDX-License-Identifier: GPL-2.0
/* The index has a limit, and the array on the stack is smaller. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int fails(struct xdp_md *ctx)
{
	volatile char seen[16] = {};
	__u32 index = ctx->rx_queue_index;

	if (index < 32)
		seen[index] = 1;
	return seen[0];
}

char LICENSE[] SEC("license") = "GPL";
