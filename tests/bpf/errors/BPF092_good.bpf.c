// SPDX-License-Identifier: GPL-2.0
/* One program uses 64 maps. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define MAP(name) struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, __u32); } name SEC(".maps");
#define USE(name) if (bpf_map_lookup_elem(&name, &key)) return 1;
#define EIGHT(do, n) do(n##0) do(n##1) do(n##2) do(n##3) do(n##4) do(n##5) do(n##6) do(n##7)
#define ALL(do) EIGHT(do, a) EIGHT(do, b) EIGHT(do, c) EIGHT(do, d) EIGHT(do, e) EIGHT(do, f) EIGHT(do, g) EIGHT(do, h)

ALL(MAP)

SEC("tc")
int works(struct __sk_buff *ctx)
{
	__u32 key = 0;

	ALL(USE)
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
