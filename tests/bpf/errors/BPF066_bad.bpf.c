// SPDX-License-Identifier: GPL-2.0
/* A hash map is given to a helper that writes perf events. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 16); __type(key, __u32); __type(value, __u32); } events SEC(".maps");

SEC("tc")
int fails(struct __sk_buff *ctx)
{
	__u32 length = ctx->len;

	return bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, &length, sizeof(length));
}

char LICENSE[] SEC("license") = "GPL";
