// SPDX-License-Identifier: GPL-2.0
/* tp_btf of a tracepoint that no kernel has. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tp_btf/made_up_tracepoint") int fails(void *ctx) { return 0; }

char LICENSE[] SEC("license") = "GPL";
