// SPDX-License-Identifier: GPL-2.0
/* A callback needs func_info, which clang writes only with -g. */
// cflags: -g0
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

static long nothing(__u32 i, void *context)
{
	return 0;
}

SEC("tc")
int fails(struct __sk_buff *ctx)
{
	return bpf_loop(10, nothing, 0, 0);
}

char LICENSE[] SEC("license") = "GPL";
