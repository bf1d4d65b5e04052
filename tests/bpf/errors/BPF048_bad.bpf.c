// SPDX-License-Identifier: GPL-2.0
/* The dynptr was never made. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int fails(struct __sk_buff *ctx)
{
	struct bpf_dynptr event;
	__u32 length = 0;

	bpf_dynptr_read(&length, sizeof(length), &event, 0, 0);
	return length;
}

char LICENSE[] SEC("license") = "GPL";
