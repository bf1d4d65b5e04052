// SPDX-License-Identifier: GPL-2.0
/* The dynptr is made of memory first. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__u32 lengths[4];

SEC("tc")
int works(struct __sk_buff *ctx)
{
	struct bpf_dynptr event;
	__u32 length = 0;

	bpf_dynptr_from_mem(lengths, sizeof(lengths), 0, &event);
	bpf_dynptr_read(&length, sizeof(length), &event, 0, 0);
	return length;
}

char LICENSE[] SEC("license") = "GPL";
