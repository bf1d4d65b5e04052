// SPDX-License-Identifier: GPL-2.0
/* It is called only where the kernel has it. */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

extern int bpf_made_up_kfunc(int x) __ksym __weak;

SEC("tc")
int works(struct __sk_buff *ctx)
{
	return bpf_made_up_kfunc ? bpf_made_up_kfunc(1) : 0;
}

char LICENSE[] SEC("license") = "GPL";
