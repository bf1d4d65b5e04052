// SPDX-License-Identifier: GPL-2.0
/* The program types of tracing, each alone in its section. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

SEC("tp/syscalls/sys_enter_execve") int on_tp_short(void *ctx) { return 0; }
SEC("tracepoint/sched/sched_switch") int on_tp_long(void *ctx) { return 0; }
SEC("raw_tp/sched_switch") int on_raw_tp(struct bpf_raw_tracepoint_args *ctx) { return ctx->args[0] == 0; }
SEC("raw_tracepoint.w/sched_switch") int on_raw_tp_writable(void *ctx) { return 0; }
SEC("perf_event") int on_perf(struct bpf_perf_event_data *ctx) { return ctx->sample_period == 1; }
SEC("kprobe/do_unlinkat") int on_kprobe(struct pt_regs *ctx) { return PT_REGS_PARM1(ctx) == 1; }
SEC("kretprobe/do_unlinkat") int on_kretprobe(struct pt_regs *ctx) { return 0; }
SEC("uprobe//bin/true:main") int on_uprobe(struct pt_regs *ctx) { return 0; }
SEC("uretprobe") int on_uretprobe(struct pt_regs *ctx) { return 0; }
SEC("ksyscall/execve") int on_ksyscall(struct pt_regs *ctx) { return 0; }

char LICENSE[] SEC("license") = "GPL";
