# SPDX-License-Identifier: Apache-2.0
"""Messages of which more can be said than the catalogue does, or of some cases another thing."""

from __future__ import annotations

import dataclasses
import re

from . import marks as m
from . import words
from .finding import Finding, between, finding, history, last
from .insn import ARGUMENTS
from .marks import Mark
from .path import Path
from .trace import back

_READ_KERNEL = (
    "Read kernel memory with bpf_probe_read_kernel() or BPF_CORE_READ(), and a process's with "
    "bpf_probe_read_user()."
)
_UNVERIFIED = (
    "A global function (one that is not static) is verified alone, for any caller: each pointer that it is "
    "given may be NULL."
)
_CHECK_THERE = (
    "Check it in this function (if (!pointer) return ...;), or say that no caller gives NULL: __arg_nonnull "
    "after its name (Linux 6.8 and later). A static function is verified with what its callers give."
)
_MERGED = "clang made one test of two tests for NULL: it ORs the pointers, which the verifier does not allow."
_APART = (
    'Test one after the other, each in its own if; where clang still merges them, put asm volatile("" : '
    '"+r"(pointer)); between the tests, with the second pointer.'
)


def number_as_pointer(path: Path, found: re.Match[str]) -> Finding:
    """The help is for what the number was before, where that is known."""
    reg = int(found[1])
    marks = history(path, reg)
    was_packet = any("packet" in mark.text for mark in marks)
    value = path.value(last(path), reg, path.visits[-1].frame) if path.visits and not was_packet else None
    label = f"R{reg} is {words.describe(value) or 'a plain number'}, no pointer"
    help_, voided = "", None
    if marks and was_packet and (voided := m.packet_changed(path, marks[0].at, last(path))):
        label = f"R{reg} is no pointer into the packet any more"
        helper = path.visits[voided.at].op.name
        help_ = f"Read data and data_end from the context again after {helper}(), and compare them anew."
    elif marks and (voided := _given_back(path, marks[0].at)):
        label = f"R{reg} is no pointer any more"
        help_ = f"Do what is to be done with the memory before {path.visits[voided.at].op.name}()."
    elif value is not None and marks and path.visits[marks[0].at].op.kind in ("helper", "load"):
        help_ = _READ_KERNEL if words.limits(value) in _ANY else ""
    return finding(path, label, [*between(path, marks), *marks, voided], help=help_)


_ANY = ((0, (1 << 64) - 1), (-(1 << 63), (1 << 63) - 1))  # an address may be any of these


def _given_back(path: Path, origin: int) -> Mark | None:
    """Where memory of a ring buffer, which came at visit origin, was given back."""
    if path.visits[origin].op.name != "bpf_ringbuf_reserve":
        return None
    for at in reversed(range(origin + 1, last(path))):
        name = path.visits[at].op.name
        if name in ("bpf_ringbuf_submit", "bpf_ringbuf_discard"):
            return Mark(at, "lost", f"{name}() gives the memory back: pointers to it are void")
    return None


def global_argument(path: Path, reg: int) -> Finding | None:
    """Of what a global function was given; None of any other pointer."""
    if not path.visits or not path.start or path.visits[-1].frame:
        return None
    found = back(path, last(path), reg, 0)
    if any(each.kind not in ("move", "store", "fill", "check", "unset") for each in found):
        return None
    moved = next((each for each in found if each.kind in ("move", "store")), None)
    first = reg if moved is None else path.visits[moved.at].op.src
    began = path.value(0, first, 0) if first is not None and first in ARGUMENTS else None
    if began is None or began.type not in ("mem", "mem_or_null") or not words.nullable(began):
        return None
    which = f"R{reg}" + (f", argument {first}," if first != reg else f", the function's argument {first},")
    label = f"{which} may be NULL here"
    made = finding(path, label, [*between(path, history(path, reg))], help=_CHECK_THERE)
    return dataclasses.replace(made, cause=_UNVERIFIED)


def merged_checks(path: Path, found: re.Match[str]) -> Finding:
    """clang's doing, unless the source has the operation."""
    reg = int(found[1])
    value = path.value(last(path), reg, path.visits[-1].frame) if path.visits else None
    label = f"R{reg} is {words.describe(value)}" if value and words.describe(value) else ""
    made = finding(path, label, history(path, reg))
    source = path.visits[-1].source.text if path.visits and (path.visits[-1].source) else ""
    if not source or re.search(r"(?<!\|)\|(?!\|)", source):
        return made
    label = f"clang made one test of two here: R{reg} is a pointer, and another is ORed to it"
    return dataclasses.replace(made, label=label, cause=_MERGED, help=_APART, fault="compiler")


def returned(path: Path, found: re.Match[str]) -> Finding:
    """The value that a program or callback returns, and the range that it has to be in."""
    reg, allowed = int(found[1]), _range(found[2])
    value = path.value(last(path), reg, path.visits[-1].frame) if path.visits else None
    marks = history(path, reg)
    known = words.describe(value) or "not known"
    return finding(
        path,
        f"R{reg}, which is returned, is {known}, and has to be {allowed}",
        [*between(path, marks), *marks],
        help=f"Return {allowed} on every path; for a computed value, compare it first.",
    )


def _range(text: str) -> str:
    """`[0, 3]`, or up to 6.7 `(0x0; 0x3)`: the bits that are known, and those that are not."""
    numbers = [int(each, 0) for each in re.findall(r"-?(?:0x[0-9a-f]{1,16}|\d{1,20})", text)]
    if len(numbers) != 2:
        return text
    low, high = numbers[0], numbers[1] | numbers[0] if text.startswith("(") else numbers[1]
    return f"{low}" if low == high else f"{low} or {high}" if high == low + 1 else f"{low} to {high}"
