// SPDX-License-Identifier: GPL-2.0
/* This hook takes 0 and 1. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("cgroup/sock_create")
int fails(struct bpf_sock *ctx)
{
	return 2;
}

char LICENSE[] SEC("license") = "GPL";
