// SPDX-License-Identifier: GPL-2.0
/* The result is set on every path. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int works(struct __sk_buff *ctx)
{
	int verdict = 0;

	return verdict;
}

char LICENSE[] SEC("license") = "GPL";
