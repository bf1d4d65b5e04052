// SPDX-License-Identifier: GPL-2.0
/* The way out is left to clang. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int works(struct __sk_buff *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
