// SPDX-License-Identifier: GPL-2.0
/* The byte is read from the packet. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int works(struct xdp_md *ctx)
{
	char *data = (char *)(long)ctx->data, *end = (char *)(long)ctx->data_end;

	return data + 1 <= end ? *data : 0;
}

char LICENSE[] SEC("license") = "GPL";
