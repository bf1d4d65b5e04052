// SPDX-License-Identifier: GPL-2.0
/* The tracepoint's own argument is alive. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct task_struct { struct task_struct *last_wakee; } __attribute__((preserve_access_index));
extern struct task_struct *bpf_task_acquire(struct task_struct *task) __ksym;
extern void bpf_task_release(struct task_struct *task) __ksym;

SEC("tp_btf/sched_wakeup")
int works(__u64 *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx[0];
	struct task_struct *held = bpf_task_acquire(task);

	if (held)
		bpf_task_release(held);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
