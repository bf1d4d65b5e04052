// SPDX-License-Identifier: GPL-2.0
/* One read is of the context or of the stack, as it turns out. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int fails(struct __sk_buff *ctx)
{
	struct __sk_buff none = {};
	struct __sk_buff *from = bpf_get_prandom_u32() & 1 ? ctx : &none;

	return from->len;
}

char LICENSE[] SEC("license") = "GPL";
