// SPDX-License-Identifier: GPL-2.0
/* The helper is told of the buffer's own size. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("raw_tp/sched_switch")
int works(void *ctx)
{
	char name[8];

	return bpf_get_current_comm(name, sizeof(name));
}

char LICENSE[] SEC("license") = "GPL";
