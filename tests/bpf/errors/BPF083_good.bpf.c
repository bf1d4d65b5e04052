// SPDX-License-Identifier: GPL-2.0
/* An index into a map's value may be variable. */
// loaded with: CAP_BPF
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char seen[16];

SEC("socket")
int works(struct __sk_buff *ctx)
{
	seen[ctx->len & 15] = 1;
	return seen[0];
}

char LICENSE[] SEC("license") = "GPL";
