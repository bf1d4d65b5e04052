// SPDX-License-Identifier: GPL-2.0
/* A socket filter may read mark. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("socket")
int works(struct __sk_buff *ctx)
{
	return ctx->mark;
}

char LICENSE[] SEC("license") = "GPL";
