// SPDX-License-Identifier: GPL-2.0
/* No kernel has a helper of this number. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

static long (*const bpf_made_up)(void) = (void *)9999;

SEC("tc")
int fails(struct __sk_buff *ctx)
{
	return bpf_made_up();
}

char LICENSE[] SEC("license") = "GPL";
