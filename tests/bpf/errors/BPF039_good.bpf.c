// SPDX-License-Identifier: GPL-2.0
/* The offset is rounded down, and the address stays. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, char[64]); } table SEC(".maps");

SEC("tc")
int works(struct __sk_buff *ctx)
{
	__u32 key = 0, offset = ctx->len & 60;
	char *value = bpf_map_lookup_elem(&table, &key);

	if (!value)
		return 0;
	return value[offset];
}

char LICENSE[] SEC("license") = "GPL";
