// SPDX-License-Identifier: GPL-2.0
/* The kernel function is given memory of ours as a task. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct task_struct { int pid; } __attribute__((preserve_access_index));
extern struct task_struct *bpf_task_acquire(struct task_struct *task) __ksym;
extern void bpf_task_release(struct task_struct *task) __ksym;

SEC("tp_btf/sched_wakeup")
int fails(void *ctx)
{
	struct task_struct mine = {}, *task = bpf_task_acquire(&mine);

	if (task)
		bpf_task_release(task);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
