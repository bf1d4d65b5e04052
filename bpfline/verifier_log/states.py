# SPDX-License-Identifier: Apache-2.0
"""A state of the verifier, read: what it knows of each register and stack slot.

Formats (print_verifier_state and print_reg_state, kernel/bpf/log.c and, before 6.2, verifier.c):

    R1=ctx(id=0,off=0,imm=0) R0_w=inv2 R3=invP3 R2_w=inv(id=0,umax_value=255,var_off=(0x0; 0xff))   to 5.15
    R1=ctx(off=0,imm=0) R0_w=2 R3_w=P0 R2_w=scalar(umax=255,var_off=(0x0; 0xff))                   6.1
    R2=scalar(smin=smin32=0,smax=umax=smax32=umax32=255,var_off=(0x0; 0xff)) fp-8=mmmm???? refs=2  6.8 on

A state of 6.1 and later names only what changed, unless it stands alone on a line. What is not
understood is in `other`, verbatim.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field

_ITEM = re.compile(r"(R\d{1,2}|fp-?\d{1,9})(?:_([rwD]+))?=(.*)", re.ASCII | re.DOTALL)
_FRAME = re.compile(r"frame(\d{1,9}):$", re.ASCII)
_NUMBER = re.compile(r"-?(?:0x[0-9a-fA-F]{1,32}|[0-9]{1,32})$")
# Slots of eight bytes, of which each is one letter: slot_type_char in kernel/bpf/log.c.
_SLOTS = re.compile(r"[?rm0difp]{8}$")
# A spill of 4, 2 or 1 bytes: the letters of the bytes above it, then the value. No number begins with 0000.
_SPILL = re.compile(r"([?rm0p]{4}|[?rm0p]{6,7})(?![?rm0p]{1,4}$)([^?]+)$", re.DOTALL)

# The names of the bounds before 6.1, and of 32-bit bounds before 6.7.
_NAMES = {
    "umin_value": "umin",
    "umax_value": "umax",
    "smin_value": "smin",
    "smax_value": "smax",
    "u32_min_value": "umin32",
    "u32_max_value": "umax32",
    "s32_min_value": "smin32",
    "s32_max_value": "smax32",
    "u32_min": "umin32",
    "u32_max": "umax32",
    "s32_min": "smin32",
    "s32_max": "smax32",
}
_SIGNED = ("smin", "smax", "smin32", "smax32", "off", "imm")


@dataclass(frozen=True)
class Value:
    """What is known of one value.

    type: "scalar" (also what old kernels call inv), "ctx", "pkt", "map_value_or_null", "fp", ... or
    "" for a slot whose bytes are in slots only. const: the number, or the offset of an "fp".
    attrs: numbers by name, of 6.8's names (smin, umax32, off, r, id, ks, vs, sz, ...), and words such
    as map="h"; signed ones are signed. var_off: (value, mask). precise: the verifier needs it exact.
    live: old kernels' marks (r, w, D). text: as the log has it.
    """

    text: str
    type: str = ""
    const: int | None = None
    attrs: dict[str, int | str] = field(default_factory=dict)
    var_off: tuple[int, int] | None = None
    precise: bool = False
    live: str = ""
    slots: str = ""

    @property
    def nullable(self) -> bool:
        return self.type.endswith("_or_null")


@dataclass(frozen=True)
class Registers:
    """A state. regs: by number; stack: by offset (-8, -16, ...); refs: ids of what must be released."""

    frame: int = 0
    regs: dict[int, Value] = field(default_factory=dict)
    stack: dict[int, Value] = field(default_factory=dict)
    refs: tuple[int, ...] = ()
    other: tuple[str, ...] = ()


def parse(text: str) -> Registers:
    """Read an event's state; no text raises."""
    frame = 0
    regs: dict[int, Value] = {}
    stack: dict[int, Value] = {}
    refs: tuple[int, ...] = ()
    other: list[str] = []
    for item in _split(text, " "):
        if found := _ITEM.match(item):
            name, live, said = found.groups(default="")
            if name[0] == "R":
                regs[int(name[1:])] = _value(said, live)
            else:
                stack[int(name[2:])] = _slot(said, live)
        elif found := _FRAME.match(item):
            frame = int(found[1])
        elif item.startswith("refs="):
            refs = tuple(int(part) for part in item[5:].split(",") if re.fullmatch(r"[0-9]{1,9}", part))
        else:
            other.append(item)
    return Registers(frame, regs, stack, refs, tuple(other))


def _slot(text: str, live: str) -> Value:
    """Eight bytes of stack: letters, a value, or letters and a shorter value."""
    if _SLOTS.match(text):
        return Value(text, live=live, slots=text)
    if found := _SPILL.match(text):
        return dataclasses.replace(_value(found[2], live), text=text, slots=found[1])
    return _value(text, live)


def _value(text: str, live: str) -> Value:
    kind, _, inside = text.partition("(")
    kind = kind.partition(",call_")[0]  # "fp0,call_-1" before 5.3
    precise = False
    if kind.startswith("inv"):  # up to 5.17: inv7, invP7, inv(...), invP(...)
        kind = kind[3:] or "scalar"
    if kind[:1] == "P" and (kind[1:] in ("", "scalar") or _NUMBER.match(kind[1:])):
        precise, kind = True, kind[1:] or "scalar"
    const = None
    if _NUMBER.match(kind):
        kind, const = "scalar", _number(kind)
    elif kind.startswith("fp") and _NUMBER.match(kind[2:]):
        kind, const = "fp", _number(kind[2:])
    attrs, var_off = _attributes(inside.removesuffix(")"))
    return Value(text, kind, const, attrs, var_off, precise, live)


def _attributes(inside: str) -> tuple[dict[str, int | str], tuple[int, int] | None]:
    """`id=1,smin=smin32=0,var_off=(0x0; 0xff)`: several names may share one number."""
    attrs: dict[str, int | str] = {}
    var_off = None
    for part in _split(inside, ","):
        *names, value = part.split("=")
        for name in names:
            if name == "var_off":
                var_off = _pair(value)
            else:
                name = _NAMES.get(name, name)
                attrs[name] = _attribute(name, value)
        if not names:
            attrs[value] = ""
    return attrs, var_off


def _attribute(name: str, value: str) -> int | str:
    return value if name == "map" or not _NUMBER.match(value) else _signed(name, _number(value))


def _pair(text: str) -> tuple[int, int] | None:
    value, _, mask = text.strip("()").partition("; ")
    return (_number(value), _number(mask)) if _NUMBER.match(value) and _NUMBER.match(mask) else None


def _number(text: str) -> int:
    """`7`, `-1`, `0xff`; `010` too, which int(text, 0) refuses."""
    return int(text, 16 if "x" in text else 10)


def _signed(name: str, number: int) -> int:
    """6.8 and later print what is beyond 16 bits in hexadecimal, as 64 bits whatever the bound's size."""
    if name not in _SIGNED:
        return number
    if 1 << 63 <= number < 1 << 64:
        return number - (1 << 64)
    return number - (1 << 32) if name.endswith("32") and 1 << 31 <= number < 1 << 32 else number


def _split(text: str, separator: str) -> list[str]:
    """Split outside of parentheses."""
    parts, depth, start = [], 0, 0
    for at, char in enumerate(text):
        if char == "(":
            depth += 1
        elif char == ")":
            depth = max(depth - 1, 0)
        elif char == separator and not depth:
            parts.append(text[start:at])
            start = at + 1
    parts.append(text[start:])
    return [part for part in parts if part]
