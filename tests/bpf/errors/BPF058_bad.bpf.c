// SPDX-License-Identifier: GPL-2.0
/* XDP has no socket buffer for the old loads of packet bytes. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

unsigned long long load_byte(void *skb, unsigned long long offset) asm("llvm.bpf.load.byte");

SEC("xdp")
int fails(struct xdp_md *ctx)
{
	return load_byte(ctx, 0);
}

char LICENSE[] SEC("license") = "GPL";
