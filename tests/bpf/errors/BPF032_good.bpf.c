// SPDX-License-Identifier: GPL-2.0
/* XDP has a helper of its own for that. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int works(struct xdp_md *ctx)
{
	char bytes[4] = {};

	bpf_xdp_load_bytes(ctx, 0, bytes, sizeof(bytes));
	return bytes[0] ? XDP_DROP : XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
