// SPDX-License-Identifier: GPL-2.0
/* The map is asked for the value. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 4); __type(key, __u32); __type(value, __u32); } table SEC(".maps");

SEC("tc")
int works(struct __sk_buff *ctx)
{
	__u32 key = ctx->len & 3;
	__u32 *value = bpf_map_lookup_elem(&table, &key);

	return value ? *value : 0;
}

char LICENSE[] SEC("license") = "GPL";
