// SPDX-License-Identifier: GPL-2.0
/* The struct is defined. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct packet { __u32 length; };

__noinline int empty(struct packet *packet)
{
	return !packet || !packet->length;
}

SEC("tc")
int works(struct __sk_buff *ctx)
{
	struct packet packet = { ctx->len };

	return empty(&packet);
}

char LICENSE[] SEC("license") = "GPL";
