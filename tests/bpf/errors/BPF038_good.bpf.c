// SPDX-License-Identifier: GPL-2.0
/* A value in the map is written to. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, __u32); } table SEC(".maps");

SEC("tc")
int works(struct __sk_buff *ctx)
{
	__u32 key = 0, *value = bpf_map_lookup_elem(&table, &key);

	if (value)
		*value = ctx->len;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
