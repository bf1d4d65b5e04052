// SPDX-License-Identifier: GPL-2.0
/* An int as an index may be as low as -2147483648. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, char[16]); } names SEC(".maps");

SEC("xdp")
int fails(struct xdp_md *ctx)
{
	__u32 key = 0;
	char *name = bpf_map_lookup_elem(&names, &key);
	int index = ctx->rx_queue_index;

	return name ? name[index] : 0;
}

char LICENSE[] SEC("license") = "GPL";
