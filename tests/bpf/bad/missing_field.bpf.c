// SPDX-License-Identifier: GPL-2.0
/* CO-RE: a field that no kernel has, without a guard. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

struct task_struct___made_up { struct { int no_such_field; } inner; } __attribute__((preserve_access_index));
SEC("raw_tp/sched_switch")
int fails(void *ctx)
{
	struct task_struct___made_up *task = (void *)bpf_get_current_task();

	return BPF_CORE_READ(task, inner.no_such_field);
}

char LICENSE[] SEC("license") = "GPL";
