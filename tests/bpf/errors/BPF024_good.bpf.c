// SPDX-License-Identifier: GPL-2.0
/* The loop ends after 100 rounds at most. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int works(struct __sk_buff *ctx)
{
	for (int i = 0; i < 100; i++)
		if (bpf_get_prandom_u32() % 6 == 0)
			break;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
