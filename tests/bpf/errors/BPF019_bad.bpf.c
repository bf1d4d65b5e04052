// SPDX-License-Identifier: GPL-2.0
/* Four bytes are read at an odd offset of the stack. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int fails(struct __sk_buff *ctx)
{
	char bytes[16];

	if (bpf_skb_load_bytes(ctx, 0, bytes, sizeof(bytes)))
		return 0;
	return *(__u32 *)(bytes + 1);
}

char LICENSE[] SEC("license") = "GPL";
