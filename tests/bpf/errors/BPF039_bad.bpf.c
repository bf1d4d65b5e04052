// SPDX-License-Identifier: GPL-2.0
/* An address is rounded down with a mask. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, char[64]); } table SEC(".maps");

SEC("tc")
int fails(struct __sk_buff *ctx)
{
	__u32 key = 0;
	char *value = bpf_map_lookup_elem(&table, &key);

	if (!value)
		return 0;
	value = (char *)((long)value & ~63L);
	return *value;
}

char LICENSE[] SEC("license") = "GPL";
