// SPDX-License-Identifier: GPL-2.0
/* A global function that is wrong for some argument, in one program of two. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__noinline int reads(int *pointer) { return *pointer; }
SEC("tc") int fails(struct __sk_buff *ctx) { int x = ctx->len; return reads(&x); }
SEC("tc") int works(struct __sk_buff *ctx) { return 0; }

char LICENSE[] SEC("license") = "GPL";
