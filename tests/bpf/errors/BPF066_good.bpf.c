// SPDX-License-Identifier: GPL-2.0
/* The map is of the type that the helper takes. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct { __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY); __uint(key_size, 4); __uint(value_size, 4); } events SEC(".maps");

SEC("tc")
int works(struct __sk_buff *ctx)
{
	__u32 length = ctx->len;

	return bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, &length, sizeof(length));
}

char LICENSE[] SEC("license") = "GPL";
