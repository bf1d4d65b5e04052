// SPDX-License-Identifier: GPL-2.0
/* The kernel function is given a task of the kernel's. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct task_struct { int pid; } __attribute__((preserve_access_index));
extern struct task_struct *bpf_task_acquire(struct task_struct *task) __ksym;
extern void bpf_task_release(struct task_struct *task) __ksym;

SEC("tp_btf/sched_wakeup")
int works(__u64 *ctx)
{
	struct task_struct *task = bpf_task_acquire((struct task_struct *)ctx[0]);

	if (task)
		bpf_task_release(task);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
