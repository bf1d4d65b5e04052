// SPDX-License-Identifier: GPL-2.0
/* The size to reserve is known only when it runs. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4096); } events SEC(".maps");

SEC("tc")
int fails(struct __sk_buff *ctx)
{
	char *event = bpf_ringbuf_reserve(&events, ctx->len & 63, 0);

	if (event)
		bpf_ringbuf_submit(event, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
