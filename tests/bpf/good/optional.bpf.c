// SPDX-License-Identifier: GPL-2.0
/* A program that is not loaded unless somebody asks: the ? of its section. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("?tc") int optional(struct __sk_buff *ctx) { return 0; }
SEC("tc") int always(struct __sk_buff *ctx) { return 0; }

char LICENSE[] SEC("license") = "GPL";
