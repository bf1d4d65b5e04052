// SPDX-License-Identifier: GPL-2.0
/* This helper fails where it would have to wait. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tp_btf/sched_wakeup")
int works(__u64 *ctx)
{
	long value = 0;

	return bpf_probe_read_user(&value, sizeof(value), (void *)8);
}

char LICENSE[] SEC("license") = "GPL";
