// SPDX-License-Identifier: GPL-2.0
/* The task may be NULL: there may be none of that number. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct task_struct { int pid; } __attribute__((preserve_access_index));
extern struct task_struct *bpf_task_from_pid(__s32 pid) __ksym;
extern void bpf_task_release(struct task_struct *task) __ksym;

SEC("tp_btf/sched_switch")
int fails(void *ctx)
{
	bpf_task_release(bpf_task_from_pid(1));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
