// SPDX-License-Identifier: GPL-2.0
/* One path leaves without bpf_rcu_read_unlock(). */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;

SEC("tp_btf/sched_wakeup")
int fails(void *ctx)
{
	bpf_rcu_read_lock();
	if (bpf_get_prandom_u32() & 1)
		return 0;
	bpf_rcu_read_unlock();
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
