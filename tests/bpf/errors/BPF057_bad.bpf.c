// SPDX-License-Identifier: GPL-2.0
/* The helper takes no memory of the packet's. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct { __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY); __uint(key_size, 4); __uint(value_size, 4); } events SEC(".maps");

SEC("xdp")
int fails(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	if (data + 16 <= end)
		bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, data, 16);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
