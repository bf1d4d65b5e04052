// SPDX-License-Identifier: GPL-2.0
/* One path leaves with the lock held. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct counter { struct bpf_spin_lock lock; __u32 count; };
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, struct counter); } counters SEC(".maps");

SEC("tc")
int fails(struct __sk_buff *ctx)
{
	__u32 key = 0;
	struct counter *counter = bpf_map_lookup_elem(&counters, &key);

	if (!counter)
		return 0;
	bpf_spin_lock(&counter->lock);
	if (counter->count++ > 100)
		return 1;
	bpf_spin_unlock(&counter->lock);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
