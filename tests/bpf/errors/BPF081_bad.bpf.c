// SPDX-License-Identifier: GPL-2.0
/* A kernel struct is read at an index that is known only when it runs. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct task_struct { char comm[16]; } __attribute__((preserve_access_index));

SEC("tp_btf/sched_wakeup")
int fails(__u64 *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx[0];

	return task->comm[bpf_get_prandom_u32() & 15];
}

char LICENSE[] SEC("license") = "GPL";
