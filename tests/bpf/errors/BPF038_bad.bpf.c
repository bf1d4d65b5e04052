// SPDX-License-Identifier: GPL-2.0
/* The map itself is written to, in place of a value in it. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, __u32); } table SEC(".maps");

SEC("tc")
int fails(struct __sk_buff *ctx)
{
	*(volatile __u32 *)&table = ctx->len;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
