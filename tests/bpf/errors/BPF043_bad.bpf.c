// SPDX-License-Identifier: GPL-2.0
/* A global function's parameter points to a struct without members. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct packet;

__noinline int empty(struct packet *packet)
{
	return !packet;
}

SEC("tc")
int fails(struct __sk_buff *ctx)
{
	return empty((struct packet *)ctx);
}

char LICENSE[] SEC("license") = "GPL";
