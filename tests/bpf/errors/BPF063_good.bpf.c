// SPDX-License-Identifier: GPL-2.0
/* The index is a constant. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int works(struct __sk_buff *ctx)
{
	return ctx->cb[3];
}

char LICENSE[] SEC("license") = "GPL";
