// SPDX-License-Identifier: GPL-2.0
/* The address of a member is taken before the check for NULL. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct entry { __u64 count; char name[16]; };
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 16); __type(key, __u32); __type(value, struct entry); } table SEC(".maps");

SEC("raw_tp/sched_switch")
int fails(void *ctx)
{
	__u32 key = 1;
	struct entry *entry = bpf_map_lookup_elem(&table, &key);

	return bpf_get_current_comm(entry->name, sizeof(entry->name));
}

char LICENSE[] SEC("license") = "GPL";
