// SPDX-License-Identifier: GPL-2.0
/* The caller has the variable, and knows its address. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

static __noinline long name(char *there)
{
	return bpf_get_current_comm(there, 16);
}

SEC("raw_tp/sched_switch")
int works(void *ctx)
{
	char there[16];

	return name(there) ? 0 : *there;
}

char LICENSE[] SEC("license") = "GPL";
