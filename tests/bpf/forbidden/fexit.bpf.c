// SPDX-License-Identifier: GPL-2.0
/* fexit: wants trampolines. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

SEC("fexit/do_unlinkat") int BPF_PROG(leaves, int dfd, struct filename *name, long result) { return result == 1; }

char LICENSE[] SEC("license") = "GPL";
