// SPDX-License-Identifier: GPL-2.0
/* A mask limits the index into the array. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int works(struct xdp_md *ctx)
{
	volatile char seen[16] = {};

	seen[ctx->rx_queue_index & 15] = 1;
	return seen[0];
}

char LICENSE[] SEC("license") = "GPL";
