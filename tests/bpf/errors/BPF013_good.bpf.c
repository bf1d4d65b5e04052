// SPDX-License-Identifier: GPL-2.0
/* The length is unsigned. */
// cflags: -mcpu=v2
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int works(struct xdp_md *ctx)
{
	char bytes[16] = {};
	__u32 length = ctx->rx_queue_index;

	if (length > 16)
		return XDP_PASS;
	return bpf_probe_read_kernel(bytes, length, ctx) ? XDP_PASS : XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
