// SPDX-License-Identifier: GPL-2.0
/* Nothing limits the index into an array on the stack. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int fails(struct xdp_md *ctx)
{
	volatile char seen[16] = {};

	seen[ctx->rx_queue_index] = 1;
	return seen[0];
}

char LICENSE[] SEC("license") = "GPL";
