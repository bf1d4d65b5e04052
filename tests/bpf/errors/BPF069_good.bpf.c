// SPDX-License-Identifier: GPL-2.0
/* The counter needs no lock: it is added to atomically. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct counter { __u32 count; };
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, struct counter); } counters SEC(".maps");

SEC("raw_tp/sched_switch")
int works(void *ctx)
{
	__u32 key = 0;
	struct counter *counter = bpf_map_lookup_elem(&counters, &key);

	if (!counter)
		return 0;
	__sync_fetch_and_add(&counter->count, 1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
