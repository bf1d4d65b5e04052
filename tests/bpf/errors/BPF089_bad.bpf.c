// SPDX-License-Identifier: GPL-2.0
/* The member that is locked is a number. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct counter { __u32 lock; __u32 count; };
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, struct counter); } counters SEC(".maps");

SEC("tc")
int fails(struct __sk_buff *ctx)
{
	__u32 key = 0;
	struct counter *counter = bpf_map_lookup_elem(&counters, &key);

	if (!counter)
		return 0;
	bpf_spin_lock((struct bpf_spin_lock *)&counter->lock);
	counter->count++;
	bpf_spin_unlock((struct bpf_spin_lock *)&counter->lock);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
