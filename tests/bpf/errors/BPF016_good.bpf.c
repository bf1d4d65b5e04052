// SPDX-License-Identifier: GPL-2.0
/* All of the key is written, the padding too. */
// loaded with: CAP_BPF
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct key { __u8 kind; __u32 length; };
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 16); __type(key, struct key); __type(value, __u64); } table SEC(".maps");

SEC("socket")
int works(struct __sk_buff *ctx)
{
	struct key key;

	__builtin_memset(&key, 0, sizeof(key));
	key.kind = 1;
	key.length = ctx->len;
	return bpf_map_lookup_elem(&table, &key) != 0;
}

char LICENSE[] SEC("license") = "GPL";
