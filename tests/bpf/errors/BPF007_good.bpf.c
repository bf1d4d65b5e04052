// SPDX-License-Identifier: GPL-2.0
/* Bytes are found from data, and compared with data_end. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int works(struct xdp_md *ctx)
{
	char *data = (char *)(long)ctx->data, *end = (char *)(long)ctx->data_end;

	if (data + 1 > end)
		return XDP_PASS;
	return *data ? XDP_DROP : XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
