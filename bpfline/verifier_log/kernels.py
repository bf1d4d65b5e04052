# SPDX-License-Identifier: Apache-2.0
"""Which kernels write a log like this one: a guess from its format, for who has only the log."""

from __future__ import annotations

import re

# (what a log shows, the first kernel that writes it, the last one); None where there is no end. Sources:
# 7df5072cc05f (5.18: scalar), 2e5766483c8c (5.17: states beside instructions), 0f8dbdbc641b (6.8: no
# off=0,imm=0); the others as seen in logs of 6.12 to 7.3.
_TRAITS = (
    (rb"=invP?[-(\d]", None, "5.17"),
    (rb"=P?scalar\(", "5.18", None),
    (rb"^\d+: \([0-9a-f]{2}\) [^\n]* ; (?:frame\d+: )?(?:R\d+|fp-)", "5.17", None),
    (rb"off=0,imm=0\)", None, "6.7"),
    (rb"^; [^\n]* @ [^\n@]+:\d+\r?$", "6.9", None),
    (rb"[ :]R\d+_[rwD]+=", None, "6.17"),
    (rb"^Live regs before insn:", "6.16", None),
    (rb"^SCC (?:enter|exit|backedge)", "6.17", None),
    (rb"^subprog#\d+: analyzing ", "7.1", None),
    (rb"^stack depth \d+(?:\+\d+)*\r?$", None, "7.1"),
    (rb"^stack depth \d[\d+]* max ", "7.2", "7.2"),
    (rb"^(?:Verification failed: |stack depth max )", "7.3", None),
)
_COMPILED = tuple((re.compile(pattern, re.MULTILINE), first, last) for pattern, first, last in _TRAITS)


def guess(head: bytes, tail: bytes) -> str:
    """As "6.9 to 6.17", "7.3 and later" or "up to 7.1"; "" where the log tells nothing, or two things."""
    shown = [
        (first, last) for pattern, first, last in _COMPILED if pattern.search(head) or pattern.search(tail)
    ]
    oldest = max((first for first, _ in shown if first), key=_version, default="")
    newest = min((last for _, last in shown if last), key=_version, default="")
    if oldest and newest:
        if _version(oldest) > _version(newest):
            return ""
        return oldest if oldest == newest else f"{oldest} to {newest}"
    return f"{oldest} and later" if oldest else f"up to {newest}" if newest else ""


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
