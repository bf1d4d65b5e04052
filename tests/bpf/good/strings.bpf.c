// SPDX-License-Identifier: GPL-2.0
/* String literals: .rodata.str1.1 and its like. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int says(struct __sk_buff *ctx)
{
	bpf_printk("a rather long line that the optimiser keeps in memory: %d", ctx->len);
	bpf_trace_printk("another literal, from .rodata.str1.1\n", 38);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
