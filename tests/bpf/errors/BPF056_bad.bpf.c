// SPDX-License-Identifier: GPL-2.0
/* The processor that BPF is has no such instruction. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int fails(struct __sk_buff *ctx)
{
	asm volatile(".8byte 0xff");
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
