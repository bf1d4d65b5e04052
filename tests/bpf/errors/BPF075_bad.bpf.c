// SPDX-License-Identifier: GPL-2.0
/* The packet's addresses are kept in 32 bits. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int fails(struct xdp_md *ctx)
{
	__u32 data = ctx->data, end = ctx->data_end;

	return data + 14 > end ? XDP_DROP : XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
