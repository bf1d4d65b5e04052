// SPDX-License-Identifier: GPL-2.0
/* An offset is added to the map itself. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 4); __type(key, __u32); __type(value, __u32); } table SEC(".maps");

SEC("tc")
int fails(struct __sk_buff *ctx)
{
	__u32 *values = (__u32 *)&table;

	return values[ctx->len & 3];
}

char LICENSE[] SEC("license") = "GPL";
