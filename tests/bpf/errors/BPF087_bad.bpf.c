// SPDX-License-Identifier: GPL-2.0
/* A kernel function that no kernel has. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern int bpf_made_up_kfunc(int x) __ksym;

SEC("tc")
int fails(struct __sk_buff *ctx)
{
	return bpf_made_up_kfunc(1);
}

char LICENSE[] SEC("license") = "GPL";
