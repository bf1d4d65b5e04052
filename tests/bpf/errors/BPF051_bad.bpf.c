// SPDX-License-Identifier: GPL-2.0
/* No kernel has a tracepoint of this name. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tp_btf/made_up_tracepoint")
int fails(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
