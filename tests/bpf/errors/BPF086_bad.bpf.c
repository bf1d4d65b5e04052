// SPDX-License-Identifier: GPL-2.0
/* A program that may sleep uses a map that it may not wait with. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct { __uint(type, BPF_MAP_TYPE_STACK_TRACE); __uint(max_entries, 16); __uint(key_size, 4); __uint(value_size, 80); } table SEC(".maps");

SEC("syscall")
int fails(void *ctx)
{
	__u32 key = 1;

	return bpf_map_delete_elem(&table, &key) != 0;
}

char LICENSE[] SEC("license") = "GPL";
