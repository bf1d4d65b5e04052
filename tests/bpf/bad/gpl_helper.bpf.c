// SPDX-License-Identifier: GPL-2.0
/* A GPL-only helper without a license. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc") int fails(struct __sk_buff *ctx) { bpf_trace_printk("x", 2); return 0; }
