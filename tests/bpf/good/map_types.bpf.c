// SPDX-License-Identifier: GPL-2.0
/* A map of each type that a source can declare, with every field of a definition. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct key { __u32 prefix; __u32 data; };
struct value { __u64 count; char name[8]; };
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 16); __type(key, __u32); __type(value, struct value); __uint(map_flags, BPF_F_NO_PREALLOC); } hash SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 4); __uint(key_size, 4); __uint(value_size, 24); __uint(numa_node, 0); __uint(map_flags, BPF_F_NUMA_NODE); } array SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERCPU_HASH); __uint(max_entries, 8); __type(key, struct key); __type(value, __u64); } percpu_hash SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, struct value); } percpu_array SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 64); __type(key, __u64); __type(value, __u64); } lru_hash SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_LPM_TRIE); __uint(max_entries, 8); __type(key, struct key); __type(value, __u32); __uint(map_flags, BPF_F_NO_PREALLOC); } lpm_trie SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_STACK_TRACE); __uint(max_entries, 8); __uint(key_size, 4); __uint(value_size, 80); } stack_trace SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY); __uint(key_size, 4); __uint(value_size, 4); } perf_event_array SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 5000); } ringbuf SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_QUEUE); __uint(max_entries, 4); __type(value, __u32); } queue SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_STACK); __uint(max_entries, 4); __type(value, __u32); } stack SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_BLOOM_FILTER); __uint(max_entries, 100); __type(value, __u32); __uint(map_extra, 3); } bloom_filter SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_DEVMAP); __uint(max_entries, 4); __uint(key_size, 4); __uint(value_size, 8); } devmap SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_CPUMAP); __uint(max_entries, 2); __uint(key_size, 4); __uint(value_size, 8); } cpumap SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_SOCKHASH); __uint(max_entries, 4); __type(key, __u32); __type(value, __u64); } sockhash SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_SK_STORAGE); __uint(map_flags, BPF_F_NO_PREALLOC); __type(key, int); __type(value, struct value); } sk_storage SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_TASK_STORAGE); __uint(map_flags, BPF_F_NO_PREALLOC); __type(key, int); __type(value, __u64); } a_task_storage_with_a_long_name SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_CGROUP_ARRAY); __uint(max_entries, 1); __uint(key_size, 4); __uint(value_size, 4); } cgroup_array SEC(".maps");

SEC("tc")
int uses_maps(struct __sk_buff *ctx)
{
	struct key trie = { .prefix = 32, .data = ctx->mark };
	__u32 key = ctx->len & 3, *found;
	struct value *value, fresh = {};
	__u64 one = 1;

	bpf_map_update_elem(&hash, &key, &fresh, BPF_ANY);
	value = bpf_map_lookup_elem(&hash, &key);
	if (value)
		__sync_fetch_and_add(&value->count, 1);
	bpf_map_lookup_elem(&array, &key);
	bpf_map_update_elem(&percpu_hash, &trie, &one, BPF_ANY);
	bpf_map_lookup_elem(&percpu_array, &key);
	bpf_map_update_elem(&lru_hash, &one, &one, BPF_ANY);
	found = bpf_map_lookup_elem(&lpm_trie, &trie);
	if (found)
		key = *found;
	bpf_perf_event_output(ctx, &perf_event_array, BPF_F_CURRENT_CPU, &key, sizeof(key));
	bpf_ringbuf_output(&ringbuf, &one, sizeof(one), 0);
	bpf_map_push_elem(&queue, &key, 0);
	bpf_map_push_elem(&stack, &key, 0);
	bpf_map_push_elem(&bloom_filter, &key, 0);
	bpf_skb_under_cgroup(ctx, &cgroup_array, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
