// SPDX-License-Identifier: GPL-2.0
/* 320 bytes are in use when a function makes a tail call. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct { __uint(type, BPF_MAP_TYPE_PROG_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, __u32); } next SEC(".maps");

static __noinline int go(struct __sk_buff *ctx)
{
	bpf_tail_call(ctx, &next, 0);
	return 0;
}

SEC("tc")
int fails(struct __sk_buff *ctx)
{
	volatile char bytes[320] = {};

	return go(ctx) + bytes[1];
}

char LICENSE[] SEC("license") = "GPL";
