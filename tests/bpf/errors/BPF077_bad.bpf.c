// SPDX-License-Identifier: GPL-2.0
/* A task is released that was never acquired. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct task_struct { int pid; } __attribute__((preserve_access_index));
extern void bpf_task_release(struct task_struct *task) __ksym;

SEC("tp_btf/sched_wakeup")
int fails(__u64 *ctx)
{
	bpf_task_release((struct task_struct *)ctx[0]);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
