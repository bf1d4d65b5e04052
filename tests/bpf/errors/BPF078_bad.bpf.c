// SPDX-License-Identifier: GPL-2.0
/* data_end is where the packet ends: nothing can be read there. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int fails(struct xdp_md *ctx)
{
	char *end = (char *)(long)ctx->data_end;

	return *end ? XDP_DROP : XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
