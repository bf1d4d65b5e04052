// SPDX-License-Identifier: GPL-2.0
/* CO-RE finds where this kernel has the member. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct task_struct { int pid; } __attribute__((preserve_access_index));

SEC("tp_btf/sched_wakeup")
int works(__u64 *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx[0];

	return task->pid;
}

char LICENSE[] SEC("license") = "GPL";
