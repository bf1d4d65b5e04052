// SPDX-License-Identifier: GPL-2.0
/* The member is copied first, and the copy read. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct task_struct { char comm[16]; } __attribute__((preserve_access_index));

SEC("tp_btf/sched_wakeup")
int works(__u64 *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx[0];
	char name[16];

	bpf_probe_read_kernel(name, sizeof(name), task->comm);
	return name[bpf_get_prandom_u32() & 15];
}

char LICENSE[] SEC("license") = "GPL";
