// SPDX-License-Identifier: GPL-2.0
/* The context is read at an index that is known only when it runs. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int fails(struct __sk_buff *ctx)
{
	return ctx->cb[bpf_get_prandom_u32() & 3];
}

char LICENSE[] SEC("license") = "GPL";
