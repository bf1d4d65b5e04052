// SPDX-License-Identifier: GPL-2.0
/* Two functions of 320 bytes each, one calling the other. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

static __noinline int inner(void)
{
	volatile char bytes[320] = {};

	return bytes[1];
}

SEC("tc")
int fails(struct __sk_buff *ctx)
{
	volatile char bytes[320] = {};

	return inner() + bytes[1];
}

char LICENSE[] SEC("license") = "GPL";
