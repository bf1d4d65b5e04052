// SPDX-License-Identifier: GPL-2.0
/* The frame pointer is assigned to. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int fails(struct __sk_buff *ctx)
{
	asm volatile("r10 = 0");
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
