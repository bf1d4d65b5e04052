# SPDX-License-Identifier: Apache-2.0
"""How the verifier got to where it refused: the marks on the last path that tell it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from bpfline.verifier_log.states import Value

from . import words
from .names import called
from .path import Path
from .trace import Found, back, copies

# Helpers after which packet pointers are plain numbers: bpf_helper_changes_pkt_data(), net/core/filter.c.
_CHANGES_PACKET = (
    *("bpf_skb_vlan_", "bpf_skb_store_bytes", "bpf_skb_change_", "bpf_skb_adjust_room", "bpf_skb_pull_data"),
    *("bpf_l3_csum_replace", "bpf_l4_csum_replace", "bpf_clone_redirect", "bpf_xdp_adjust_", "bpf_msg_"),
    *("bpf_lwt_", "bpf_sk_skb_", "bpf_tail_call", "bpf_store_hdr_opt", "bpf_reserve_hdr_opt"),
)


@dataclass(frozen=True)
class Mark:
    """Something to say of visit `at`.

    kind: "origin" (the value comes from here), "change" (arithmetic), "check" (a comparison of it),
    "lost" (what was known or checked is not any more), "call" (the caller's side), "branch" (a way that
    was taken), "acquired" (what must be released).
    """

    at: int
    kind: str
    text: str


def of_value(path: Path, at: int, reg: int, what: str = "") -> list[Mark]:
    """What happened to the value of reg before visit at. what: how to call it; else R and its number."""
    frame = path.visits[at].frame
    found = back(path, at, reg, frame)
    return [mark for each in _without_halves(path, found) if (mark := _mark(path, each, what))]


def _without_halves(path: Path, found: list[Found]) -> Iterator[Found]:
    """Without the first of two shifts that make one change: r1 <<= 32, r1 s>>= 32 extends a sign."""
    for each, following in itertools.zip_longest(found, found[1:]):
        op = path.visits[each.at].op
        then = path.visits[following.at].op if following and following.kind == "alu" else None
        if not (
            each.kind == "alu"
            and op.op == "<<"
            and then
            and then.op.endswith(">>")
            and op.number == then.number
        ):
            yield each


def _mark(path: Path, found: Found, what: str) -> Mark | None:
    visit = path.visits[found.at]
    op, name = visit.op, what or f"R{found.reg}"
    if found.kind == "unset":
        return Mark(found.at, "origin", f"nothing is written to {name} on this path")
    value = path.value(found.at + 1, found.reg, found.frame)
    known = words.describe(value)
    is_ = f"{name} is {known}" if known else ""
    if found.kind == "helper":
        callee = f"{op.name}()" if op.name else "the function"
        return Mark(found.at, "origin", f"{callee} returns {known or name}")
    if found.kind == "clobbered":
        callee = f"{op.name}()" if op.name else "a function"
        return Mark(found.at, "lost", f"the call to {callee} leaves nothing in {name}: R1 to R5 are its own")
    if found.kind == "set":
        return Mark(found.at, "origin", is_ or f"{name} is set to {op.number}")
    if found.kind == "load":
        return Mark(found.at, "origin", _loaded(path, found, name, value))
    if found.kind == "alu":
        return _changed(path, found, name, value)
    if found.kind == "fill" and not words.is_bounded(value):
        return _filled(path, found, name)
    if found.kind == "pass":
        return Mark(found.at, "call", f"{name} is passed to the function" + (f": {known}" if known else ""))
    if found.kind == "check":
        return _checked(path, found, name)
    return None


def _loaded(path: Path, found: Found, name: str, value: Value | None) -> str:
    op, known = path.visits[found.at].op, words.describe(value)
    base = path.value(found.at, op.src, found.frame) if op.src is not None else None
    source = words.describe(base).removesuffix(", or NULL")
    if base is not None and base.type == "ctx" and value is not None and value.type != "scalar":
        return f"{name} is {known}"
    return f"{name} is read " + (f"from {source}" if source else "here") + (f": {known}" if known else "")


def _changed(path: Path, found: Found, name: str, value: Value | None) -> Mark | None:
    op = path.visits[found.at].op
    if value is not None and value.type != "scalar":
        if op.src is not None:
            return Mark(found.at, "change", f"R{op.src} is added to the pointer {name}")
        if value.type == "fp":
            return None  # the address of a variable
    before = path.value(found.at, found.reg, found.frame)
    known = words.describe(value)
    text = words.change(op) + (f": {known}" if known else "")
    if op.op == "s>>" and op.number in (32, 48, 56) and found.at and path.visits[found.at - 1].op.op == "<<":
        text = f"{name} is made a signed number" + (f": {known}" if known else "")
    if words.is_bounded(before) and value is not None and not words.is_bounded(value):
        was = words.describe(before)
        return Mark(found.at, "lost", f"{words.change(op)}: {name} was {was}, and now is {known}")
    return Mark(found.at, "change", text)


def _filled(path: Path, found: Found, name: str) -> Mark | None:
    """Up to 6.7 the verifier forgot the limits of what it had not spilled as 64 bits (check_stack_write)."""
    op = path.visits[found.at].op
    for at in reversed(range(found.at)):
        store = path.visits[at]
        if store.frame == found.frame and store.op.kind == "store" and store.op.off == op.off:
            before = path.value(at, store.op.src, found.frame) if store.op.src is not None else None
            if words.is_bounded(before):
                was = words.describe(before)
                return Mark(found.at, "lost", f"{name} was {was} before it was put on the stack")
            return None
    return None


def _checked(path: Path, found: Found, name: str) -> Mark | None:
    holds = branch_words(path, found.at)
    if not holds:
        return None
    value = path.value(found.at + 1, found.reg, found.frame)
    known = f": {name} is {words.describe(value)}" if words.is_bounded(value) else ""
    if path.visits[found.at].op.half and value is not None and words.lower_limits(value):
        known = ", but for its lower 32 bits only"
    return Mark(found.at, "check", f"on this path {holds}{known}")


def branch_words(path: Path, at: int) -> str:
    """The condition that holds after the branch at visit at; "" for what is none."""
    visit, following = path.visits[at], path.next_idx(at)
    if visit.op.kind != "branch" or following is None:
        return ""
    return words.condition(visit.op, taken=following != visit.idx + 1)


def branches(path: Path, after: int, before: int) -> Iterator[Mark]:
    """The branches between two visits, and the way that the verifier took."""
    for at in range(after + 1, before):
        if holds := branch_words(path, at):
            yield Mark(at, "branch", f"on this path {holds}")


def calls(path: Path, at: int) -> Iterator[Mark]:
    """The calls that lead to visit at."""
    frame = path.visits[at].frame
    for here in reversed(range(at)):
        visit = path.visits[here]
        if visit.frame < frame:
            frame = visit.frame
            yield Mark(here, "call", "called from here")


NO_RANGE = "this check gives no range"
MAX_PACKET_OFF = 0xFFFF  # find_good_pkt_pointers() takes no pointer that may be farther from the start
_AT_END = (1 << 64) - 2  # AT_PKT_END, BEYOND_PKT_END: numbers below 0, of a pointer that cannot be read


def packet_checks(path: Path, at: int, ident: int) -> Iterator[Mark]:
    """Comparisons with the packet's end before visit at. ident: the id of the pointer that is used; 0
    is the packet's start, another is that plus a variable offset."""
    for here in range(at):
        visit = path.visits[here]
        op = visit.op
        if op.kind != "branch" or op.src is None or op.dst is None:
            continue
        sides = [path.value(here + 1, reg, visit.frame) for reg in (op.dst, op.src)]
        kinds = [side.type if side else "" for side in sides]
        if "pkt_end" not in kinds or "pkt" not in kinds:
            continue
        pointer = sides[kinds.index("pkt")]
        assert pointer is not None
        held, other = words.number(pointer, "r"), words.number(pointer, "id")
        if other != ident and not other:
            some = f"{words.counted(held, 'byte')} of " if 0 < held < _AT_END else ""
            yield Mark(
                here, "check", f"this checks {some}the packet from its start, without the variable offset"
            )
        elif other != ident:
            yield Mark(here, "check", "this compares a pointer with another variable offset with the end")
        elif 0 < held < _AT_END:
            yield Mark(here, "check", f"here {words.counted(held, 'byte')} of the packet are checked")
        elif not _is_below(branch_words(path, here), kinds):
            yield Mark(here, "check", "on this path the packet is too short for this check")
        elif (most := words.variable_part(pointer)) + words.number(pointer, "off") > MAX_PACKET_OFF:
            yield Mark(
                here,
                "check",
                f"{NO_RANGE}: the offset may be up to {most:,}, more than {MAX_PACKET_OFF:,}",
            )
        else:
            yield Mark(here, "check", "this checks no byte: it compares where the read begins, not its end")


def added(path: Path, at: int, reg: int) -> Mark | None:
    """Where the pointer that reg holds before visit at last got a variable offset."""
    frame = path.visits[at].frame
    for each in reversed(back(path, at, reg, frame)):
        op = path.visits[each.at].op
        if each.kind != "alu" or op.src is None or op.dst is None:
            continue
        sides = {side: path.value(each.at, side, each.frame) for side in (op.src, op.dst)}
        number = next((side for side in sides if (is_ := sides[side]) and not words.is_pointer(is_)), op.src)
        known = words.describe(sides[number])
        pointer = op.dst if number == op.src else op.src
        what = f"R{number}" + (f", {known}," if known else "")
        text = f"{what} is added to the pointer R{pointer}: what was checked before is not checked of the sum"
        return Mark(each.at, "lost", text)
    return None


def _is_below(condition: str, kinds: list[str]) -> bool:
    """Whether on this way the pointer is not behind the packet's end. kinds: of both sides."""
    sign = condition.split(" ")[1] if condition.count(" ") > 1 else ""
    return sign in (("<", "<=") if kinds[0] == "pkt" else (">", ">="))


def packet_changed(path: Path, after: int, before: int) -> Mark | None:
    """The last call between two visits that makes packet pointers invalid."""
    for at in reversed(range(after + 1, before)):
        name = path.visits[at].op.name
        if name.startswith(_CHANGES_PACKET):
            return Mark(at, "lost", f"{name}() may move the packet: pointers into it from before are void")
    return None


def other_null_checks(path: Path, at: int, found: list[Found]) -> Iterator[Mark]:
    """Comparisons with NULL of other pointers than the one that found tells of."""
    frame = path.visits[at].frame
    checked = {each.at for each in found if each.kind == "check"}
    for here in range(found[0].at if found else 0, at):
        visit = path.visits[here]
        op = visit.op
        if visit.frame != frame or op.kind != "branch" or op.number != 0 or op.op not in ("==", "!="):
            continue
        value = path.value(here, op.dst, frame) if op.dst is not None else None
        if here not in checked and value is not None and words.nullable(value):
            which = called(path, here, op.dst) if op.dst is not None else ""
            yield Mark(here, "check", f"this checks another pointer, {which}: {words.describe(value)}")


def checked_copy(path: Path, at: int, reg: int) -> Mark | None:
    """The last comparison with a number of a copy of the value of reg, which the verifier does not take
    for the value itself: most often one of 32 bits of a number of 64."""
    frame = path.visits[at].frame
    found = back(path, at, reg, frame)
    checked = {each.at for each in found if each.kind == "check"}
    for here in reversed(range(found[0].at + 1 if found else 0, at)):
        visit = path.visits[here]
        op = visit.op
        if visit.frame != frame or op.kind != "branch" or op.number is None or here in checked:
            continue
        if op.dst in copies(path, found, here):
            text = f"this checks R{op.dst}, a copy (the source's, or clang's): it tells nothing of R{reg}"
            return Mark(here, "lost", text)
    return None
