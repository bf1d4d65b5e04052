// SPDX-License-Identifier: GPL-2.0
/* A tracing program may call it. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct bpf_cpumask { int usage; };
extern struct bpf_cpumask *bpf_cpumask_create(void) __ksym;
extern void bpf_cpumask_release(struct bpf_cpumask *mask) __ksym;

SEC("tp_btf/sched_switch")
int works(void *ctx)
{
	struct bpf_cpumask *mask = bpf_cpumask_create();

	if (mask)
		bpf_cpumask_release(mask);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
