// SPDX-License-Identifier: GPL-2.0
/* A helper reads what is at the address. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("raw_tp/sched_switch")
int works(void *ctx)
{
	int *task = (int *)bpf_get_current_task();
	int first = 0;

	bpf_probe_read_kernel(&first, sizeof(first), task);
	return first;
}

char LICENSE[] SEC("license") = "GPL";
