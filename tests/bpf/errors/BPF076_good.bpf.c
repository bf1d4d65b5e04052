// SPDX-License-Identifier: GPL-2.0
/* It is read only where the kernel has it. */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

struct task_struct { int made_up; } __attribute__((preserve_access_index));

SEC("raw_tp/sched_switch")
int works(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	if (!bpf_core_field_exists(task->made_up))
		return 0;
	return BPF_CORE_READ(task, made_up);
}

char LICENSE[] SEC("license") = "GPL";
