# SPDX-License-Identifier: Apache-2.0
"""What this kernel lacks that a program reaches for: a poisoned instruction's number tells nobody."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bpfline.program_lines import ProgramLines
from bpfline.verifier_log import Poison, poison

# `relo #0: <byte_off> [5] struct task_struct.made_up (0:0 @ offset 0)`
_RELOCATED = re.compile(r"<\w+> \[\d+\] (\w+) (.+?) \(")
# Of libbpf, in place of the verifier's message (fixup_verifier_log).
_KFUNC = re.compile(r"kfunc '(.*)' is referenced but wasn't resolved")
_MAP = re.compile(r"BPF map '(.*)' is referenced but wasn't created")


def missing(
    text: str, words: Sequence[str], insn: int | None, relocations: Sequence[str], lines: ProgramLines | None
) -> str:
    """What was missing where the instruction insn was made invalid; "" where it was not.

    text: of that instruction in the log. words: the message. relocations: CO-RE's lines of the log.
    """
    poisoned = next((found for each in (*words, text) if (found := poison(each))), None)
    said = next((named for each in words if (named := _said(each))), "")
    if said or poisoned is None:
        return said
    if poisoned.kind == "core":
        asked = _relocated(insn, relocations)
        return asked or "this kernel lacks what CO-RE was asked for here"
    if poisoned.kind == "map":
        return "the map that is used here was not created"
    return _kfunc(poisoned, insn, lines)


def _said(word: str) -> str:
    """What libbpf writes in place of the verifier's words."""
    if word.startswith("failed to resolve CO-RE relocation ") and (found := _RELOCATED.search(word)):
        return _lacks(found)
    if found := _KFUNC.match(word):
        return f"this kernel has no function {found[1]}()"
    if found := _MAP.match(word):
        return f"the map {found[1]} was not created"
    return ""


def _relocated(insn: int | None, relocations: Sequence[str]) -> str:
    """What CO-RE did not find for instruction insn, by the kernel's own lines."""
    made_invalid = re.compile(rf"(.*relo #\d+: )substituting insn #{insn} w/ invalid insn")
    for text in relocations:
        if found := made_invalid.match(text):
            for wanted in relocations:
                if wanted.startswith(found[1] + "<") and (named := _RELOCATED.search(wanted)):
                    return _lacks(named)
    return ""


def _lacks(named: re.Match[str]) -> str:
    return f"this kernel has no {named[1].lower()} {named[2]}"


def _kfunc(poisoned: Poison, insn: int | None, lines: ProgramLines | None) -> str:
    """Its number tells the extern, but not whose numbers they are; the object tells what is called where."""
    called = dict(lines.kfuncs) if lines else {}
    name = called.get(-1 if insn is None else insn)
    if name is None and len(set(called.values())) == 1:
        name = next(iter(called.values()))
    return (
        f"this kernel has no function {name}()" if name else "this kernel lacks the function that is called"
    )
