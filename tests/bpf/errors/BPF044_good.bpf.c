// SPDX-License-Identifier: GPL-2.0
/* A global function returns a number. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

int seen;

__noinline int count(int by)
{
	seen += by;
	return 0;
}

SEC("tc")
int works(struct __sk_buff *ctx)
{
	count(ctx->len);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
