// SPDX-License-Identifier: GPL-2.0
/* The limit is the array's size. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int works(struct xdp_md *ctx)
{
	volatile char seen[16] = {};
	__u32 index = ctx->rx_queue_index;

	if (index < sizeof(seen))
		seen[index] = 1;
	return seen[0];
}

char LICENSE[] SEC("license") = "GPL";
