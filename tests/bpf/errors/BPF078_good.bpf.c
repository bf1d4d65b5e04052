// SPDX-License-Identifier: GPL-2.0
/* Bytes before data_end are read. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int works(struct xdp_md *ctx)
{
	char *data = (char *)(long)ctx->data, *end = (char *)(long)ctx->data_end;

	return data + 1 <= end && *data ? XDP_DROP : XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
