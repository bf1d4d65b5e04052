// SPDX-License-Identifier: GPL-2.0
/* usdt: with libbpf's own part in the object. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include <bpf/usdt.bpf.h>
SEC("usdt") int BPF_USDT(statically, int x) { return x; }

char LICENSE[] SEC("license") = "GPL";
