// SPDX-License-Identifier: GPL-2.0
/* The length is at least 1. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int works(struct xdp_md *ctx)
{
	char bytes[16] = {};
	__u32 length = ctx->rx_queue_index;

	if (length > sizeof(bytes) || length < 1)
		return XDP_PASS;
	return bpf_xdp_load_bytes(ctx, 0, bytes, length) ? XDP_PASS : XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
