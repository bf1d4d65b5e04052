// SPDX-License-Identifier: GPL-2.0
/* The function ends with a return. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int works(struct __sk_buff *ctx)
{
	bpf_printk("%d bytes", ctx->len);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
