// SPDX-License-Identifier: GPL-2.0
/* A hash map can be used by a program that may wait. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 16); __uint(key_size, 4); __uint(value_size, 80); } table SEC(".maps");

SEC("syscall")
int works(void *ctx)
{
	__u32 key = 1;

	return bpf_map_delete_elem(&table, &key) != 0;
}

char LICENSE[] SEC("license") = "GPL";
