// SPDX-License-Identifier: GPL-2.0
/* The check lets the index be 16, one too many. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, char[16]); } names SEC(".maps");

SEC("xdp")
int fails(struct xdp_md *ctx)
{
	__u32 key = 0, index = ctx->rx_queue_index;
	char *name = bpf_map_lookup_elem(&names, &key);

	return name && index <= 16 ? name[index] : 0;
}

char LICENSE[] SEC("license") = "GPL";
