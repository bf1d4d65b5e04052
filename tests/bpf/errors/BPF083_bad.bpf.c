// SPDX-License-Identifier: GPL-2.0
/* Without CAP_PERFMON an index into the stack must be a constant. */
// loaded with: CAP_BPF
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("socket")
int fails(struct __sk_buff *ctx)
{
	volatile char seen[16] = {};

	seen[ctx->len & 15] = 1;
	return seen[0];
}

char LICENSE[] SEC("license") = "GPL";
