// SPDX-License-Identifier: GPL-2.0
/* Global variables in every section they can be in, and constants that the verifier sees. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile int limit = 10;
const volatile char name[16] = "bpfline";
int counter = 3;
static __u64 hidden = 5;
long zeroed;
static int zeroed_array[32];
const volatile int own_rodata SEC(".rodata.own") = 4;
int own_data SEC(".data.own") = 6;
SEC("tc")
int uses_globals(struct __sk_buff *ctx)
{
	static const char words[] = "a string that goes to .rodata: %d\n";
	int i, sum = 0;

	for (i = 0; i < limit && i < 100; i++)
		sum += zeroed_array[i & 31];
	counter += sum + own_rodata + own_data;
	hidden++;
	zeroed = name[0];
	bpf_trace_printk(words, sizeof(words), counter);
	return limit > 100 ? *(volatile int *)0 : 0; /* dead code, as the verifier knows from the constant */
}

char LICENSE[] SEC("license") = "GPL";
