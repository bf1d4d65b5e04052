// SPDX-License-Identifier: GPL-2.0
/* The result of a lookup is checked first. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 16); __type(key, __u32); __type(value, __u64); } table SEC(".maps");

SEC("tc")
int works(struct __sk_buff *ctx)
{
	__u32 key = 1;
	__u64 *count = bpf_map_lookup_elem(&table, &key);

	if (!count)
		return 0;
	*count += 1;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
