// SPDX-License-Identifier: GPL-2.0
/* Functions: static and global, shared, nested. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

static __noinline int leaf(int x) { return x * 3 + 1; }
__noinline int global(int x) { return leaf(x) + leaf(x + 1); }
static __noinline int unused_by_second(int x) { return global(x) - 1; }
__attribute__((weak)) __noinline int weak(int x) { return x + 100; }
SEC("tc") int first(struct __sk_buff *ctx) { return unused_by_second(ctx->len) + leaf(ctx->mark); }
SEC("tc") int second(struct __sk_buff *ctx) { return global(ctx->mark) + weak(2); }
SEC("xdp") int third(struct xdp_md *ctx) { return leaf(1) > 3 ? XDP_PASS : XDP_DROP; }

char LICENSE[] SEC("license") = "GPL";
