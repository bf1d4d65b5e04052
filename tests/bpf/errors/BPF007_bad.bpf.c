// SPDX-License-Identifier: GPL-2.0
/* The last byte is found from data_end. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int fails(struct xdp_md *ctx)
{
	char *data = (char *)(long)ctx->data, *end = (char *)(long)ctx->data_end;
	char *last = end - 1;

	if (last < data)
		return XDP_PASS;
	return *last ? XDP_DROP : XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
