// SPDX-License-Identifier: GPL-2.0
/* Each path goes through bpf_rcu_read_unlock(). */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;

SEC("tp_btf/sched_wakeup")
int works(void *ctx)
{
	int odd;

	bpf_rcu_read_lock();
	odd = bpf_get_prandom_u32() & 1;
	bpf_rcu_read_unlock();
	return odd;
}

char LICENSE[] SEC("license") = "GPL";
