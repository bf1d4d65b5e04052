// SPDX-License-Identifier: GPL-2.0
/* The address of a variable goes there. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__noinline int low(__u64 *value)
{
	return value ? *value : 0;
}

SEC("tc")
int works(struct __sk_buff *ctx)
{
	__u64 task = bpf_get_current_task();

	return low(&task);
}

char LICENSE[] SEC("license") = "GPL";
