// SPDX-License-Identifier: GPL-2.0
/* The argument that there is is read. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tp_btf/sched_wakeup")
int works(__u64 *ctx)
{
	return ctx[0] != 0;
}

char LICENSE[] SEC("license") = "GPL";
