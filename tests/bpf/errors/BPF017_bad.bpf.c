// SPDX-License-Identifier: GPL-2.0
/* The helper is told of more bytes than the buffer has. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("raw_tp/sched_switch")
int fails(void *ctx)
{
	char name[8];

	return bpf_get_current_comm(name, 16);
}

char LICENSE[] SEC("license") = "GPL";
