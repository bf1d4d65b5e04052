// SPDX-License-Identifier: GPL-2.0
/* A length that is an int may be negative. */
// cflags: -mcpu=v2
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int fails(struct xdp_md *ctx)
{
	char bytes[16] = {};
	int length = ctx->rx_queue_index;

	if (length > 16)
		return XDP_PASS;
	return bpf_probe_read_kernel(bytes, length, ctx) ? XDP_PASS : XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
