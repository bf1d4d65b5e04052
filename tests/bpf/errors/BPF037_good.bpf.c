// SPDX-License-Identifier: GPL-2.0
/* A variable that is not const is written to. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

volatile int limit = 1;

SEC("tc")
int works(struct __sk_buff *ctx)
{
	limit = ctx->len;
	return limit;
}

char LICENSE[] SEC("license") = "GPL";
