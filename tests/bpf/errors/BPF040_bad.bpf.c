// SPDX-License-Identifier: GPL-2.0
/* A kernel address is kept in a map. */
// loaded with: CAP_BPF
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, __u64); } table SEC(".maps");

SEC("socket")
int fails(struct __sk_buff *ctx)
{
	__u32 key = 0;
	__u64 *value = bpf_map_lookup_elem(&table, &key);

	if (value)
		*value = (long)ctx;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
