// SPDX-License-Identifier: GPL-2.0
/* The result is never set. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int fails(struct __sk_buff *ctx)
{
	int verdict;

	return verdict;
}

char LICENSE[] SEC("license") = "GPL";
