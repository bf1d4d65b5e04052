// SPDX-License-Identifier: GPL-2.0
/* A map that asks to be pinned: verify never does. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, __u32); __uint(pinning, LIBBPF_PIN_BY_NAME); } bpfline_pinned SEC(".maps");
SEC("tc") int pins(struct __sk_buff *ctx) { __u32 key = 0; return bpf_map_lookup_elem(&bpfline_pinned, &key) != 0; }

char LICENSE[] SEC("license") = "GPL";
