// SPDX-License-Identifier: GPL-2.0
/* memcpy() reads what has no alignment, byte for byte. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int works(struct __sk_buff *ctx)
{
	char bytes[16];
	__u32 value;

	if (bpf_skb_load_bytes(ctx, 0, bytes, sizeof(bytes)))
		return 0;
	__builtin_memcpy(&value, bytes + 1, sizeof(value));
	return value;
}

char LICENSE[] SEC("license") = "GPL";
