// SPDX-License-Identifier: GPL-2.0
/* The address of a variable on the stack is returned. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

static __noinline char *name(char *there)
{
	bpf_get_current_comm(there, 16);
	return there;
}

SEC("raw_tp/sched_switch")
int fails(void *ctx)
{
	char there[16];

	return *name(there);
}

char LICENSE[] SEC("license") = "GPL";
