// SPDX-License-Identifier: GPL-2.0
/* CO-RE: fields, their existence and size, types, enum values, bit fields. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

struct task_struct___made_up { int no_such_field; } __attribute__((preserve_access_index));
enum bpf_map_type___newer { BPF_MAP_TYPE_MADE_UP = 4711 };
SEC("raw_tp/sched_switch")
int relocated(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task(), *parent;
	struct task_struct___made_up *odd = (void *)task;
	__u64 sum = 0;

	parent = BPF_CORE_READ(task, real_parent, group_leader);
	sum += BPF_CORE_READ(parent, pid) + BPF_CORE_READ_BITFIELD_PROBED(task, sched_contributes_to_load);
	if (bpf_core_field_exists(odd->no_such_field))
		sum += BPF_CORE_READ(odd, no_such_field);
	sum += bpf_core_field_size(task->comm) + bpf_core_type_size(struct task_struct);
	if (bpf_core_type_exists(struct bpf_ringbuf))
		sum++;
	if (bpf_core_enum_value_exists(enum bpf_map_type___newer, BPF_MAP_TYPE_MADE_UP))
		sum++;
	sum += bpf_core_enum_value(enum bpf_map_type, BPF_MAP_TYPE_RINGBUF);
	return sum == 42;
}

char LICENSE[] SEC("license") = "GPL";
