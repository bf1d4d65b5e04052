// SPDX-License-Identifier: GPL-2.0
/* kprobe.multi and kretprobe.multi. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

SEC("kprobe.multi/vfs_*") int kprobes(struct pt_regs *ctx) { return 0; }
SEC("kretprobe.multi/vfs_*") int kretprobes(struct pt_regs *ctx) { return 0; }

char LICENSE[] SEC("license") = "GPL";
