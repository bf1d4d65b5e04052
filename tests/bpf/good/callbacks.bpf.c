// SPDX-License-Identifier: GPL-2.0
/* Functions that a helper calls back. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 16); __type(key, __u32); __type(value, __u64); } table SEC(".maps");
struct sum { __u64 of; };
static __noinline __u64 twice(__u64 x) { return x * 2; }
static int add(void *map, __u32 *key, __u64 *value, struct sum *sum) { sum->of += twice(*value); return 0; }
static int step(__u32 index, struct sum *sum) { sum->of += index; return 0; }
SEC("tc")
int calls_back(struct __sk_buff *ctx)
{
	struct sum sum = {};

	bpf_for_each_map_elem(&table, add, &sum, 0);
	bpf_loop(10, step, &sum, 0);
	return sum.of & 1;
}

char LICENSE[] SEC("license") = "GPL";
