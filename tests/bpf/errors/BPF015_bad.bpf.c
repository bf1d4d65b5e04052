// SPDX-License-Identifier: GPL-2.0
/* The length may be 0, which this helper does not take. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int fails(struct xdp_md *ctx)
{
	char bytes[16] = {};
	__u32 length = ctx->rx_queue_index;

	if (length > sizeof(bytes))
		return XDP_PASS;
	return bpf_xdp_load_bytes(ctx, 0, bytes, length) ? XDP_PASS : XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
