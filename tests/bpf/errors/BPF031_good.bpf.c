// SPDX-License-Identifier: GPL-2.0
/* The helper is one of those in bpf_helper_defs.h. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int works(struct __sk_buff *ctx)
{
	return bpf_get_prandom_u32();
}

char LICENSE[] SEC("license") = "GPL";
