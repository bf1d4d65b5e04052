// SPDX-License-Identifier: GPL-2.0
/* Nothing limits the length. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int fails(struct xdp_md *ctx)
{
	char bytes[16] = {};
	__u32 length = ctx->rx_queue_index;

	return bpf_probe_read_kernel(bytes, length, ctx) ? XDP_PASS : XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
