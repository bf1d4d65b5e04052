# SPDX-License-Identifier: Apache-2.0
"""Instructions that a loader or the kernel poisoned, so that they are refused only where they are reached.

A CO-RE relocation that no type of the kernel satisfies becomes a call of helper 195896080 (0xbad2310,
"bad relo"; bpf_core_poison_insn, tools/lib/bpf/relo_core.c, which the kernel uses too). libbpf also
poisons uses of maps that it did not create and calls of kfuncs that it did not find (POISON_LDIMM64_MAP_BASE,
POISON_CALL_KFUNC_BASE, libbpf.c), and writes its own words over the log (fixup_verifier_log). For kfuncs
cilium/ebpf has a number of its own (kfuncCallPoisonBase, linker.go).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_CORE = 195896080
_MAP = 2001000000
_KFUNC = 2002000000
_KFUNC_OF_CILIUM = 0xDEDC0DE
_WORDS = {
    "<invalid CO-RE relocation>": "core",
    "<invalid BPF map reference>": "map",
    "<invalid kfunc call>": "kfunc",
}
_CALL = re.compile(r"(?:call|(?:invalid|unknown) func|cannot use helper) unknown#([0-9]{1,10})\b")


@dataclass(frozen=True)
class Poison:
    """kind: "core", "map" or "kfunc". number: which map or extern of the object, where that is told."""

    kind: str
    number: int | None = None


def poison(text: str) -> Poison | None:
    """What the text of an instruction, or of a message about it, was poisoned for; None if it was not."""
    if text in _WORDS:
        return Poison(_WORDS[text])
    found = _CALL.search(text)
    if not found:
        return None
    number = int(found[1])
    if number == _CORE:
        return Poison("core")
    if number == _KFUNC_OF_CILIUM:
        return Poison("kfunc")
    for base, kind in ((_KFUNC, "kfunc"), (_MAP, "map")):
        if base <= number < base + 1_000_000:
            return Poison(kind, number - base)
    return None
