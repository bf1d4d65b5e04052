// SPDX-License-Identifier: GPL-2.0
/* A word of the packet is added to. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int works(struct __sk_buff *ctx)
{
	__u32 *data = (__u32 *)(long)ctx->data, *end = (__u32 *)(long)ctx->data_end;

	if (data + 1 <= end)
		*data += 1;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
