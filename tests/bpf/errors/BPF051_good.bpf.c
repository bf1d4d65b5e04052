// SPDX-License-Identifier: GPL-2.0
/* Every kernel has this tracepoint. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tp_btf/sched_switch")
int works(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
