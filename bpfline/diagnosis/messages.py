# SPDX-License-Identifier: Apache-2.0
"""What a message says of its own case: the words beneath the marker, and the way to it.

Tables of patterns, first come first served. What a message means in general is the catalogue's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from . import marks as m
from . import words
from .cases import global_argument, merged_checks, number_as_pointer, returned
from .finding import Finding, between, finding, history, in_order, last
from .insn import ARGUMENTS
from .marks import Mark
from .names import called
from .path import Path
from .resources import held, leak
from .trace import back

DATA_END = " <= data_end."
_HALF_CHECKED = (
    "Only the lower 32 bits were checked: compare the whole 64-bit number, or make it a __u32 before that."
)
_LIMIT_FIRST = (
    "Limit the offset before it is added (if (off > 1000) return ...;): the verifier keeps no range of a "
    f"pointer that may be more than {m.MAX_PACKET_OFF:,} bytes into the packet."
)
_PADDING = (
    "Set the whole struct to 0 before its members: __builtin_memset(&x, 0, sizeof(x)). An initialiser such "
    "as = {} may leave the padding between members as it was."
)


def find(path: Path, message: str) -> Finding:
    """What is to say of message, the lines of which are joined by newlines."""
    for pattern, say in _SAYS:
        if found := pattern.search(message):
            return say(path, found)
    return Finding()


def _does(path: Path, size: int) -> str:
    """`reads 4 bytes`: what the last instruction does."""
    kind = path.visits[-1].op.kind if path.visits else ""
    return {"load": "reads ", "store": "writes "}.get(kind, "uses ") + words.counted(size, "byte")


def _packet(path: Path, found: re.Match[str]) -> Finding:
    off, size, reg, ident, _, held = (int(number) for number in found.groups())
    known = f"{words.counted(held, 'byte')} are checked" if held else "none of it is checked"
    marks = history(path, reg)
    checks = list(m.packet_checks(path, last(path), ident)) if path.visits else []
    value = path.value(last(path), reg, path.visits[-1].frame) if path.visits else None
    most = words.variable_part(value) if value and ident else 0
    behind = " behind a variable offset" if ident else ""
    start = "the pointer with its variable offset" if ident else "the start of the packet"
    compare = f"compare with the same pointer: {start} + {off + size}{DATA_END}"
    help_ = f"Before this access, {compare}"
    if most + off > m.MAX_PACKET_OFF:
        behind = f" behind a variable offset of up to {most:,}"
        help_ = (
            _LIMIT_FIRST
            if any(m.NO_RANGE in mark.text for mark in checks)
            else f"{_LIMIT_FIRST} Then {compare}"
        )
    sum_ = m.added(path, last(path), reg) if ident and path.visits else None
    if sum_ and (not checks or checks[-1].at > sum_.at):
        sum_ = None  # that is not what the checks lack
    label = f"{_does(path, size)} at offset {off} of the packet{behind}: {known}"
    return finding(path, label, [*between(path, marks), *marks, *checks, sum_], help=help_)


def _maybe_null(path: Path, found: re.Match[str]) -> Finding:
    reg = int(found[1])
    if (argument := global_argument(path, reg)) is not None:
        return argument
    marks = history(path, reg)
    others: Iterable[Mark] = ()
    if path.visits:
        at = last(path)
        others = m.other_null_checks(path, at, back(path, at, reg, path.visits[at].frame))
    what = called(path, last(path), reg) if path.visits else f"R{reg}"
    return finding(path, f"{what} may be NULL here", [*between(path, marks), *marks, *others])


def _sum(path: Path, found: re.Match[str]) -> Finding:
    """A number that does not fit is added to a pointer."""
    op = path.visits[-1].op if path.visits else None
    if op is None or op.kind != "alu":
        return Finding()
    if op.src is None:
        return finding(path, f"{words.change(op)} leads out of the object", history(path, op.dst or 0))
    at, frame = last(path), path.visits[-1].frame
    sides = [path.value(at, reg, frame) for reg in (op.dst, op.src) if reg is not None]
    scalar_last = not (len(sides) == 2 and sides[0] is not None and sides[0].type == "scalar")
    number, pointer = (op.src, op.dst) if scalar_last else (op.dst, op.src)
    return _of_number(path, number or 0, f"R{number}, which is added to a pointer", also=pointer)


def _of_number(path: Path, reg: int, what: str, also: int | None = None) -> Finding:
    at = last(path)
    value = path.value(at, reg, path.visits[at].frame)
    known = words.describe(value)
    marks = history(path, reg)
    copy = m.checked_copy(path, at, reg) if not words.is_bounded(value) else None
    pointer = history(path, also)[:1] if also is not None else []
    return finding(
        path,
        f"{what}, is {known}" if known and "," in what else f"{what} is {known}" if known else what,
        [*between(path, marks), *pointer, *marks, copy],
        help=_HALF_CHECKED if value is not None and words.lower_limits(value) else "",
    )


def _register(path: Path, found: re.Match[str]) -> Finding:
    """A register that is not what it has to be."""
    reg = int(found[1])
    if not path.visits:
        return Finding()
    value = path.value(last(path), reg, path.visits[-1].frame)
    if value is not None and value.type == "scalar":
        return _of_number(path, reg, f"R{reg}")
    label = f"R{reg} is {words.describe(value)}" if words.describe(value) else ""
    marks = history(path, reg)
    if (index := _index(path, reg)) is not None:
        known = words.describe(path.value(index[0], index[1], path.visits[-1].frame))
        label = f"R{index[1]}, the index, is {known}" if known else label
        marks += m.of_value(path, *index)
    return finding(path, label, [*between(path, marks), *marks])


def _index(path: Path, reg: int) -> tuple[int, int] | None:
    """The visit at which a number was last added to the pointer reg, and the number's register."""
    frame = path.visits[-1].frame
    for each in reversed(back(path, last(path), reg, frame)):
        op = path.visits[each.at].op
        if each.kind == "alu" and op.src is not None and each.frame == frame:
            return each.at, op.src
    return None


def _beyond(path: Path, found: re.Match[str]) -> Finding:
    """Memory of known size. The register is named in the next line only, if at all."""
    kind, *numbers = found.groups()
    size, off, width = (int(number) for number in numbers)
    named = re.search(r"^R(\d{1,2}) ", found.string, re.MULTILINE)
    reg = int(named[1]) if named else _base(path)
    memory = f"{'a value' if kind == 'map value' else kind} of {words.counted(size, 'byte')}"
    marks: list[Mark] = []
    if path.visits and reg is not None:
        marks = history(path, reg)
        if (index := _index(path, reg)) is not None:
            marks += m.of_value(path, *index)
        value = path.value(last(path), reg, path.visits[-1].frame)
        if kind == "map value" and value is not None and value.attrs.get("map"):
            memory = f"a value of map {value.attrs['map']} ({words.counted(size, 'byte')})"
    label = f"{_does(path, width)} at offset {off} of {memory}"
    return finding(path, label, [*between(path, marks), *marks])


def _base(path: Path) -> int | None:
    """The register with the address that the last instruction reads from or writes to."""
    op = path.visits[-1].op if path.visits else None
    return None if op is None else op.src if op.kind == "load" else op.dst if op.kind == "store" else None


def _beyond_stack(path: Path, found: re.Match[str]) -> Finding:
    off, size = int(found[1]), int(found[2])
    if not -512 <= off < 0:
        return finding(path, f"fp{off:+d} is outside of the stack's 512 bytes", ())
    left = f"only {words.counted(-off, 'byte')} up to the frame's end"
    return finding(path, f"{words.counted(size, 'byte')} at fp{off:+d}, where there are {left}", ())


def _never_set(path: Path, found: re.Match[str]) -> Finding:
    reg = int(found[1])
    marks = history(path, reg)
    lost = [mark for mark in marks if mark.kind == "lost"]
    label = f"R{reg} holds nothing here"
    if path.visits and path.visits[-1].op.kind == "exit" and reg == 0:
        label = "no value is returned on this path"
    begin = marks or [Mark(0, "branch", "")]
    return finding(path, label, [*(between(path, begin) if path.visits else []), *lost])


def _argument(path: Path, found: re.Match[str]) -> Finding:
    """An argument of a kernel function or of a global one, counted from 0."""
    reg = int(found[1]) + 1
    if not path.visits or reg not in ARGUMENTS:
        return Finding()
    known = words.describe(path.value(last(path), reg, path.visits[-1].frame))
    return finding(path, f"argument {reg} is {known}" if known else "", history(path, reg))


def _loop(path: Path, found: re.Match[str]) -> Finding:
    insn = int(found[1])
    label = "the loop comes back here, and nothing that the verifier follows has changed"
    at = [at for at, visit in enumerate(path.visits) if visit.idx == insn]
    if not at:
        return Finding(label, insn=insn)
    begin = at[-2] if len(at) > 1 and at[-1] == last(path) else at[-1]  # of the round that ends here
    return Finding(label, in_order(path, m.branches(path, begin - 1, len(path.visits))), insn=insn)


def _no_helper(path: Path, found: re.Match[str]) -> Finding:
    return finding(path, f"this kernel has no helper of number {found[1]}", ())


def _helper(path: Path, found: re.Match[str]) -> Finding:
    return finding(path, f"{found[1]}() is not there for this program", ())


def _stack(path: Path, found: re.Match[str]) -> Finding:
    off, byte, size = (int(number) for number in found.groups())
    stores = []
    sides = set()  # of the byte, on which something was written
    for at, visit in enumerate(path.visits):
        op = visit.op
        if op.kind == "store" and op.dst == 10 and off < op.off + op.size and op.off < off + size:
            sides.add(op.off > off + byte)
            written = f"{words.counted(op.size, 'byte')} at fp{op.off:+d}"
            stores.append(
                Mark(at, "origin", f"{written} are written" if op.size > 1 else f"{written} is written")
            )
    what = f"byte {byte} of the {size}" if size > 1 else "the byte"
    label = f"{what} at fp{off:+d} was never written"
    if len(sides) == 2:
        return finding(
            path, f"{label}, but the bytes around it were: padding, perhaps", stores, help=_PADDING
        )
    return finding(path, label, stores)


def _insn(path: Path, found: re.Match[str]) -> Finding:
    return Finding(insn=int(found[1]))


def _as_a_whole(path: Path, found: re.Match[str]) -> Finding:
    return Finding(insn=0)


_SAYS: tuple[tuple[re.Pattern[str], Callable[[Path, re.Match[str]], Finding]], ...] = tuple(
    (re.compile(pattern.replace("<N>", r"(-?\d{1,15})"), re.MULTILINE | re.ASCII), say)
    for pattern, say in (
        (r"^invalid access to packet, off=<N> size=<N>, R<N>\(id=<N>,off=<N>,r=<N>\)", _packet),
        (r"^R<N> invalid mem access '\w*_or_null'", _maybe_null),
        (r"^R<N> pointer arithmetic on \w+_or_null prohibited", _maybe_null),
        (r"^Possibly NULL pointer passed to helper arg<N>", _maybe_null),
        (r"^R<N> type=\w*_or_null expected=", _maybe_null),
        (r"^(?:Possibly NULL pointer passed to trusted )?arg#?<N>\b", _argument),
        (r"\b(?:bpf_)?(spin_lock|rcu_read_lock|preempt_disable|local_irq_save|res_spin_lock)", held),
        (r"^function calls are not allowed while holding a (lock)", held),
        (r"^R<N> invalid mem access '(?:inv|scalar)'", number_as_pointer),
        (r"^R<N> pointer \|= pointer prohibited", merged_checks),
        (r"\bregister R<N> (?:has|is) .*should have been in ([\[(].*?[\])])", returned),
        (r"^value <N> makes \w+ pointer be out of bounds", _sum),
        (r"^math between \w+ pointer and ", _sum),
        (r"^invalid access to (map value|memory|map key), \w+=<N> off=<N> size=<N>", _beyond),
        (r"^invalid \w.*\bstack(?: type)? R\d+ off=<N> (?:access_)?size=<N>", _beyond_stack),
        (r"^R<N> !read_ok", _never_set),
        (r"^Unreleased reference id=-?\d+ alloc_insn=<N>", leak),
        (r"^infinite loop detected at insn <N>", _loop),
        (r"^(?:unknown|invalid) func unknown#<N>", _no_helper),
        (r"^(?:unknown func|program of this type cannot use helper) (\w+)#", _helper),
        (r"^invalid (?:indirect )?read from stack (?:R\d+ )?off <N>\+<N> size <N>", _stack),
        (r"(?:\bat|\bfrom|^unreachable) insn <N>", _insn),
        # Found when the instructions were looked at one by one: none of them is to blame.
        (r"^combined stack size|^tail_calls are not allowed when|^BPF program is too large", _as_a_whole),
        (r"\bR<N>\b", _register),
    )
)
