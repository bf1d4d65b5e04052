// SPDX-License-Identifier: GPL-2.0
/* Maps in maps and an array of programs, filled by the source. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct inner { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 2); __type(key, __u32); __type(value, __u32); } first SEC(".maps"), second SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); __uint(max_entries, 4); __uint(key_size, 4);
	__array(values, struct inner);
} outer SEC(".maps") = { .values = { [1] = &first, [3] = &second } };
struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS); __uint(max_entries, 4); __type(key, __u64);
	__array(values, struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 8); __type(key, __u32); __type(value, __u64); });
} hashed SEC(".maps");
SEC("tc") int callee(struct __sk_buff *ctx) { return 7; }
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY); __uint(max_entries, 2); __uint(key_size, 4);
	__array(values, int (void *));
} programs SEC(".maps") = { .values = { [1] = (void *)&callee } };
SEC("tc")
int caller(struct __sk_buff *ctx)
{
	__u32 key = 1, *value;
	__u64 wide = 1;
	void *map = bpf_map_lookup_elem(&outer, &key);

	if (map && (value = bpf_map_lookup_elem(map, &key)))
		key = *value;
	map = bpf_map_lookup_elem(&hashed, &wide);
	if (map)
		bpf_map_lookup_elem(map, &key);
	bpf_tail_call(ctx, &programs, 1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
