# SPDX-License-Identifier: Apache-2.0
"""An instruction of a log, read: which registers and stack slots it takes, and which it sets.

The words are those of print_bpf_insn (kernel/bpf/disasm.c). What is not understood is an "other": it is
taken to set nothing.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

FRAME_POINTER = 10
ARGUMENTS = range(1, 6)  # a call leaves nothing in these


@dataclass(frozen=True)
class Op:
    """kind:

    "set"     dst = number            "move"   dst = src (op: "" or what is done to it, such as "(s8)")
    "alu"     dst op= src or number   "load"   dst = *(src + off)
    "store"   *(dst + off) = src or number; op: "" or that of an atomic one, which may also set fetched
    "branch"  if dst op src or number "jump", "exit"
    "helper"  a call to name          "enter"  a call within the program
    number: None where there is a register instead. size: bytes of a load or store. half: 32 bits only.
    skips: how many instructions a branch or jump leaves out (pc+3).
    """

    kind: str
    dst: int | None = None
    src: int | None = None
    number: int | None = None
    off: int = 0
    size: int = 8
    op: str = ""
    name: str = ""
    half: bool = False
    fetched: int | None = None
    skips: int | None = None

    def target(self, idx: int) -> int | None:
        """Where the branch at idx leads to."""
        return idx + 1 + self.skips if self.kind == "branch" and self.skips is not None else None


_REG = r"([rw])(\d{1,2})"
_NUM = r"(-?(?:0x[0-9a-f]{1,16}|\d{1,20}))"
_MEM = r"\*\(([us])(8|16|32|64) \*\)\(r(\d{1,2}) ?([+-]\d{1,5})\)"
_ALU = r"(\+|-|\*|s?/|\||&|\^|s?%|<<|s?>>)="


def _full(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII)


_SET = _full(rf"{_REG} = {_NUM}(?: ll)?")
_MOVE = _full(rf"{_REG} = (\((?:s8|s16|s32)\)|-|[bl]e\d\d |bswap\d\d |&)?{_REG}(?: ?\+?.*)?")
_OPERATE = _full(rf"{_REG} {_ALU} (?:{_REG}|{_NUM})")
_LOAD = _full(rf"{_REG} = {_MEM}")
_LEGACY = _full(r"r0 = \*\(u(8|16|32) \*\)skb\[.*")
_STORE = _full(rf"{_MEM} = (?:{_REG}|{_NUM})")
_ATOMIC = _full(rf"lock {_MEM} (\S+) {_REG}")
_FETCH = _full(
    rf"{_REG} = (atomic\w+|xchg\w*|cmpxchg\w*)\(\((u)(32|64) \*\)\(r(\d{{1,2}}) ?([+-]\d{{1,5}})\), .*"
)
_BRANCH = _full(rf"if {_REG} (==|!=|s?>=?|s?<=?|&) (?:{_REG}|{_NUM}) goto pc([+-]\d{{1,10}})")
_JUMP = _full(r"(goto|gotol|may_goto) pc([+-]\d{1,10})")
_HELPER = _full(r"call ([A-Za-z_]\w*)(?:#-?\d+)?")


@functools.lru_cache(maxsize=1 << 12)  # loops repeat themselves
def parse(text: str) -> Op:
    """Read an instruction; no text raises."""
    if found := _OPERATE.fullmatch(text):
        half, dst, op, _, src, number = found.groups()
        return Op("alu", int(dst), _reg(src), _number(number), op=op, half=half == "w")
    if found := _LOAD.fullmatch(text):
        _, dst, sign, bits, src, off = found.groups()
        return Op("load", int(dst), int(src), None, int(off), int(bits) // 8, op="s" if sign == "s" else "")
    if found := _SET.fullmatch(text):
        return Op("set", int(found[2]), None, _number(found[3]), half=found[1] == "w")
    if found := _BRANCH.fullmatch(text):
        half, dst, op, _, src, number, skips = found.groups()
        return Op("branch", int(dst), _reg(src), _number(number), op=op, half=half == "w", skips=int(skips))
    if found := _MOVE.fullmatch(text):
        half, dst, op, _, src = found.groups()
        return Op("move", int(dst), int(src), op=(op or "").strip(), half=half == "w")
    if found := _STORE.fullmatch(text):
        _, bits, dst, off, _, src, number = found.groups()
        return Op("store", int(dst), _reg(src), _number(number), int(off), int(bits) // 8)
    return _rare(text)


def _rare(text: str) -> Op:
    if text == "exit":
        return Op("exit")
    if found := _JUMP.fullmatch(text):
        return Op("branch" if found[1] == "may_goto" else "jump", op=found[1], skips=int(found[2]))
    if text.startswith(("call pc", "callx")):
        return Op("enter")
    if found := _HELPER.fullmatch(text):
        return Op("helper", name=found[1])
    if found := _ATOMIC.fullmatch(text):
        _, bits, dst, off, op, _, src = found.groups()
        return Op("store", int(dst), int(src), None, int(off), int(bits) // 8, op=op)
    if found := _FETCH.fullmatch(text):
        _, fetched, op, _, bits, dst, off = found.groups()
        return Op("store", int(dst), None, None, int(off), int(bits) // 8, op=op, fetched=int(fetched))
    if _LEGACY.fullmatch(text):
        return Op("load", 0)
    return Op("other")


def _reg(text: str | None) -> int | None:
    return None if text is None else int(text)


def _number(text: str | None) -> int | None:
    return None if text is None else int(text, 16 if "x" in text else 10)
