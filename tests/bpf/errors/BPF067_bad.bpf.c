// SPDX-License-Identifier: GPL-2.0
/* This helper may wait for a page, and the scheduler must not wait. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tp_btf/sched_wakeup")
int fails(__u64 *ctx)
{
	long value = 0;

	return bpf_copy_from_user(&value, sizeof(value), (void *)8);
}

char LICENSE[] SEC("license") = "GPL";
