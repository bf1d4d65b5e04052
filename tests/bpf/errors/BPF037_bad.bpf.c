// SPDX-License-Identifier: GPL-2.0
/* A constant is written to. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile int limit = 1;

SEC("tc")
int fails(struct __sk_buff *ctx)
{
	*(volatile int *)&limit = ctx->len;
	return limit;
}

char LICENSE[] SEC("license") = "GPL";
