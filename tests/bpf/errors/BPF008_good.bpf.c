// SPDX-License-Identifier: GPL-2.0
/* The index is unsigned and has an upper bound. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct ring { __u64 next; char slots[16]; };
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, struct ring); } rings SEC(".maps");

SEC("tc")
int works(struct __sk_buff *ctx)
{
	__u32 key = 0;
	struct ring *ring = bpf_map_lookup_elem(&rings, &key);

	return ring ? ring->slots[ring->next & 15] : 0;
}

char LICENSE[] SEC("license") = "GPL";
