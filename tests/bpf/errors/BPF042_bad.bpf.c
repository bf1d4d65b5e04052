// SPDX-License-Identifier: GPL-2.0
/* A number goes where a global function wants an address. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__noinline int low(__u64 *value)
{
	return value ? *value : 0;
}

SEC("tc")
int fails(struct __sk_buff *ctx)
{
	return low((__u64 *)bpf_get_current_task());
}

char LICENSE[] SEC("license") = "GPL";
