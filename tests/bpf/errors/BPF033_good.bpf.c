// SPDX-License-Identifier: GPL-2.0
/* The license is compatible with the GPL. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tc")
int works(struct __sk_buff *ctx)
{
	bpf_printk("%d bytes", ctx->len);
	return 0;
}
