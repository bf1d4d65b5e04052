// SPDX-License-Identifier: GPL-2.0
/* The address of a member of the context goes to a function. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

static __noinline int doubled(__u32 *field)
{
	return *field * 2;
}

SEC("tc")
int fails(struct __sk_buff *ctx)
{
	return doubled(&ctx->mark);
}

char LICENSE[] SEC("license") = "GPL";
