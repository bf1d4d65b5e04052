// SPDX-License-Identifier: GPL-2.0
/* R0 is not set on one path. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc") __attribute__((naked)) int fails(void) { asm volatile("exit"); }
SEC("tc") int works(struct __sk_buff *ctx) { return 0; }

char LICENSE[] SEC("license") = "GPL";
