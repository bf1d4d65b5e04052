// SPDX-License-Identifier: GPL-2.0
/* A socket filter may not call this kernel function. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct bpf_cpumask { int usage; };
extern struct bpf_cpumask *bpf_cpumask_create(void) __ksym;
extern void bpf_cpumask_release(struct bpf_cpumask *mask) __ksym;

SEC("socket")
int fails(struct __sk_buff *ctx)
{
	struct bpf_cpumask *mask = bpf_cpumask_create();

	if (mask)
		bpf_cpumask_release(mask);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
