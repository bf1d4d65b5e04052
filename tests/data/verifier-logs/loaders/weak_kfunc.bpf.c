// SPDX-License-Identifier: GPL-2.0
/* A kernel function that no kernel has is weak, and is called without a check that it is there. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern int bpf_made_up_kfunc(int number) __weak __ksym;

SEC("tc")
int fails(struct __sk_buff *ctx)
{
	return bpf_made_up_kfunc(ctx->len);
}

char LICENSE[] SEC("license") = "GPL";
