// SPDX-License-Identifier: GPL-2.0
/* fmod_ret: wants trampolines and a function that may fail. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

SEC("fmod_ret/security_task_alloc") int BPF_PROG(changes, struct task_struct *task, unsigned long flags, int result) { return result; }

char LICENSE[] SEC("license") = "GPL";
