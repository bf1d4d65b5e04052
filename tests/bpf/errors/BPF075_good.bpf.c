// SPDX-License-Identifier: GPL-2.0
/* The packet's addresses are pointers. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int works(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	return data + 14 > end ? XDP_DROP : XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
