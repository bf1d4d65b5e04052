// SPDX-License-Identifier: GPL-2.0
/* The read is behind the kernel's struct. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tp_btf/sched_wakeup")
int fails(__u64 *ctx)
{
	char *task = (char *)ctx[0];

	return *(int *)(task + 30000);
}

char LICENSE[] SEC("license") = "GPL";
