// SPDX-License-Identifier: GPL-2.0
/* 1 lets the socket be made. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("cgroup/sock_create")
int works(struct bpf_sock *ctx)
{
	return 1;
}

char LICENSE[] SEC("license") = "GPL";
