# SPDX-License-Identifier: Apache-2.0
"""Verdicts for the tests of what is made of them, and a source whose cost a test can choose."""

from __future__ import annotations

from typing import Any

from bpfline_loader.verdict import Verdict

HEADERS = '#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\nchar LICENSE[] SEC("license") = "GPL";\n'
REFUSED = 'SEC("socket") int NAME(void *ctx) { return *(volatile int *)8; }\n'


def loops(turns: int, name: str = "loops") -> str:
    """A program that the verifier walks through turns times."""
    return f"""SEC("socket") int {name}(struct __sk_buff *ctx)
{{
	int sum = 0;
	for (int i = 0; i < {turns}; i++) {{ sum += i; asm volatile("" : "+r"(sum)); }}
	return sum;
}}
"""


def refused(name: str) -> str:
    return REFUSED.replace("NAME", name)


def verdict(name: str = "x/prog", **more: Any) -> Verdict:
    """An accepted program; more: fields that are others."""
    object_, _, program = name.rpartition("/")
    plain: dict[str, Any] = {
        "section": "socket", "type": "socket_filter", "kernel": "6.1.0", "verdict": "accepted",
        "processed_insns": 1000, "total_states": 10, "peak_states": 5, "stack_depth": 64,
        "xlated_bytes": 800, "jited_bytes": 500, "clang": "14.0.6", "mcpu": "v3",
    }  # fmt: skip
    return Verdict(object=object_, program=program, **{**plain, **more})
