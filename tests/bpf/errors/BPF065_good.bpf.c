// SPDX-License-Identifier: GPL-2.0
/* The most that it can be is reserved. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4096); } events SEC(".maps");

SEC("tc")
int works(struct __sk_buff *ctx)
{
	char *event = bpf_ringbuf_reserve(&events, 64, 0);

	if (event)
		bpf_ringbuf_submit(event, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
