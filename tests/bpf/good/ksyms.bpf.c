// SPDX-License-Identifier: GPL-2.0
/* Externs of .ksyms: kernel functions and variables, strong and weak. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;
extern int bpf_made_up_kfunc(int x) __ksym __weak;
extern const int made_up_variable __ksym __weak;
extern const void bpf_prog_put __ksym;
extern const void made_up_address __ksym __weak;
SEC("tc")
int externs(struct __sk_buff *ctx)
{
	__u64 address = (__u64)&bpf_prog_put;

	bpf_rcu_read_lock();
	bpf_rcu_read_unlock();
	if (bpf_made_up_kfunc)
		return bpf_made_up_kfunc(1);
	if (&made_up_variable)
		return made_up_variable;
	return address != 0 && !&made_up_address;
}

char LICENSE[] SEC("license") = "GPL";
