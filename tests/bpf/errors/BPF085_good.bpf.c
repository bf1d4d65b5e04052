// SPDX-License-Identifier: GPL-2.0
/* The frame pointer is left alone. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int works(struct __sk_buff *ctx)
{
	asm volatile("r9 = 0" ::: "r9");
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
