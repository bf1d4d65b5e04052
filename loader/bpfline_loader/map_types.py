# SPDX-License-Identifier: Apache-2.0
"""The kinds of maps by their names."""

from __future__ import annotations

# enum bpf_map_type, linux/bpf.h, in its order. Two are called _deprecated there by now; the names that
# programs use stand for them still.
MAP_TYPES = {
    name: number
    for number, name in enumerate(
        (
            "unspec", "hash", "array", "prog_array", "perf_event_array", "percpu_hash", "percpu_array",
            "stack_trace", "cgroup_array", "lru_hash", "lru_percpu_hash", "lpm_trie", "array_of_maps",
            "hash_of_maps", "devmap", "sockmap", "cpumap", "xskmap", "sockhash", "cgroup_storage",
            "reuseport_sockarray", "percpu_cgroup_storage", "queue", "stack", "sk_storage", "devmap_hash",
            "struct_ops", "ringbuf", "inode_storage", "task_storage", "bloom_filter", "user_ringbuf",
            "cgrp_storage", "arena", "insn_array", "rhash",
        )
    )
}  # fmt: skip
