// SPDX-License-Identifier: GPL-2.0
/* The context itself goes to the function. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

static __noinline int doubled(struct __sk_buff *ctx)
{
	return ctx->mark * 2;
}

SEC("tc")
int works(struct __sk_buff *ctx)
{
	return doubled(ctx);
}

char LICENSE[] SEC("license") = "GPL";
