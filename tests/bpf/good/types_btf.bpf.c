// SPDX-License-Identifier: GPL-2.0
/* The program types that name a type or a function of the kernel's. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

SEC("tp_btf/sched_switch")
int BPF_PROG(tp_btf, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	return prev->pid == next->pid;
}
SEC("iter/task")
int iter_task(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	if (task)
		BPF_SEQ_PRINTF(ctx->meta->seq, "%d\n", task->pid);
	return 0;
}
SEC("syscall") int a_syscall(void *ctx) { return 0; }

char LICENSE[] SEC("license") = "GPL";
