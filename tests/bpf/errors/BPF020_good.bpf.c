// SPDX-License-Identifier: GPL-2.0
/* The caller's bytes are in a map with a value for each processor. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, char[320]); } scratch SEC(".maps");

static __noinline int inner(void)
{
	volatile char bytes[320] = {};

	return bytes[1];
}

SEC("tc")
int works(struct __sk_buff *ctx)
{
	__u32 key = 0;
	volatile char *bytes = bpf_map_lookup_elem(&scratch, &key);

	return bytes ? inner() + bytes[1] : 0;
}

char LICENSE[] SEC("license") = "GPL";
