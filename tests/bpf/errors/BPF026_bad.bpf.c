// SPDX-License-Identifier: GPL-2.0
/* The assembler's exit leaves clang's code behind it without a way in. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int fails(struct __sk_buff *ctx)
{
	asm volatile("r0 = 0; exit");
	return 1;
}

char LICENSE[] SEC("license") = "GPL";
