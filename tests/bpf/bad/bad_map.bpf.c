// SPDX-License-Identifier: GPL-2.0
/* A map that the kernel refuses: a hash without a key. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 16); __uint(key_size, 0); __uint(value_size, 4); } keyless SEC(".maps");
SEC("tc") int fails(struct __sk_buff *ctx) { __u32 key = 1; return bpf_map_lookup_elem(&keyless, &key) != 0; }

char LICENSE[] SEC("license") = "GPL";
