// SPDX-License-Identifier: GPL-2.0
/* This tracepoint has one argument; the sixth is read. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tp_btf/sched_wakeup")
int fails(__u64 *ctx)
{
	return ctx[5] != 0;
}

char LICENSE[] SEC("license") = "GPL";
