// SPDX-License-Identifier: GPL-2.0
/* Each way has its own read. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int works(struct __sk_buff *ctx)
{
	return bpf_get_prandom_u32() & 1 ? ctx->len : 0;
}

char LICENSE[] SEC("license") = "GPL";
