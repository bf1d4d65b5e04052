// SPDX-License-Identifier: GPL-2.0
/* What is decided under the lock is acted on after it. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct counter { struct bpf_spin_lock lock; __u32 count; };
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, struct counter); } counters SEC(".maps");

SEC("tc")
int works(struct __sk_buff *ctx)
{
	__u32 key = 0, count;
	struct counter *counter = bpf_map_lookup_elem(&counters, &key);

	if (!counter)
		return 0;
	bpf_spin_lock(&counter->lock);
	count = counter->count++;
	bpf_spin_unlock(&counter->lock);
	return count > 100;
}

char LICENSE[] SEC("license") = "GPL";
