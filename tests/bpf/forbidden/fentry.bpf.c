// SPDX-License-Identifier: GPL-2.0
/* fentry: wants trampolines. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

SEC("fentry/do_unlinkat") int BPF_PROG(enters, int dfd) { return dfd == 1; }

char LICENSE[] SEC("license") = "GPL";
