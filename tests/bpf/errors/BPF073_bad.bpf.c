// SPDX-License-Identifier: GPL-2.0
/* A task is expected, and the program that it runs is given. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tp_btf/sched_process_exec")
int fails(__u64 *ctx)
{
	char stack[64];

	return bpf_get_task_stack((void *)ctx[2], stack, sizeof(stack), 0) < 0;
}

char LICENSE[] SEC("license") = "GPL";
