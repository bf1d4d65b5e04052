// SPDX-License-Identifier: GPL-2.0
/* The string to compare with is in memory that may change. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char wanted[8] = "bash";

SEC("tp_btf/sched_wakeup")
int fails(void *ctx)
{
	char name[16] = {};

	bpf_get_current_comm(name, sizeof(name));
	return bpf_strncmp(name, sizeof(name), wanted);
}

char LICENSE[] SEC("license") = "GPL";
