// SPDX-License-Identifier: GPL-2.0
/* A socket filter may not read tc_classid. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("socket")
int fails(struct __sk_buff *ctx)
{
	return ctx->tc_classid;
}

char LICENSE[] SEC("license") = "GPL";
