// SPDX-License-Identifier: GPL-2.0
/* A number that is an address is read from. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("raw_tp/sched_switch")
int fails(void *ctx)
{
	int *task = (int *)bpf_get_current_task();

	return *task;
}

char LICENSE[] SEC("license") = "GPL";
