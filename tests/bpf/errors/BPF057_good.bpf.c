// SPDX-License-Identifier: GPL-2.0
/* The packet is copied to the stack first. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct { __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY); __uint(key_size, 4); __uint(value_size, 4); } events SEC(".maps");

SEC("xdp")
int works(struct xdp_md *ctx)
{
	char bytes[16];

	if (!bpf_xdp_load_bytes(ctx, 0, bytes, sizeof(bytes)))
		bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, bytes, sizeof(bytes));
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
