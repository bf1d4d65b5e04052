// SPDX-License-Identifier: GPL-2.0
/* A global function returns nothing. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

int seen;

__noinline void count(int by)
{
	seen += by;
}

SEC("tc")
int fails(struct __sk_buff *ctx)
{
	count(ctx->len);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
