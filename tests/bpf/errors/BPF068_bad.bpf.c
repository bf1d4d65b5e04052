// SPDX-License-Identifier: GPL-2.0
/* A member of the kernel's struct is written to. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct task_struct { int pid; } __attribute__((preserve_access_index));

SEC("tp_btf/sched_wakeup")
int fails(__u64 *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx[0];

	task->pid = 1;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
