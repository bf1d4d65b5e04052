// SPDX-License-Identifier: GPL-2.0
/* lsm, also sleepable: wants trampolines. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

SEC("lsm/file_open") int BPF_PROG(decides, struct file *file) { return 0; }
SEC("lsm.s/bpf") int BPF_PROG(sleeps, int cmd, union bpf_attr *attr, unsigned int size) { return 0; }

char LICENSE[] SEC("license") = "GPL";
