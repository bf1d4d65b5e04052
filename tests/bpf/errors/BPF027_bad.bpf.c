// SPDX-License-Identifier: GPL-2.0
/* The function ends without a return, which clang was told to rely on. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int fails(struct __sk_buff *ctx)
{
	bpf_printk("%d bytes", ctx->len);
	__builtin_unreachable();
}

char LICENSE[] SEC("license") = "GPL";
