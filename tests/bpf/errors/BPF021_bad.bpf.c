// SPDX-License-Identifier: GPL-2.0
/* Nine functions, each calling the next. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define CALLS(name, next) static __noinline int name(struct __sk_buff *ctx) { return next(ctx) + ctx->len; }

static __noinline int f8(struct __sk_buff *ctx) { return ctx->len; }
CALLS(f7, f8) CALLS(f6, f7) CALLS(f5, f6) CALLS(f4, f5) CALLS(f3, f4) CALLS(f2, f3) CALLS(f1, f2)

SEC("tc")
int fails(struct __sk_buff *ctx)
{
	return f1(ctx);
}

char LICENSE[] SEC("license") = "GPL";
