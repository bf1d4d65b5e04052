# SPDX-License-Identifier: Apache-2.0
"""The end of a log in short: why the program was refused, the figures, the report of 7.3."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bpfline_loader import trailer

from . import events as ev
from . import kernels
from . import report as reports
from .events import Event
from .mapped import Log
from .reader import read
from .report import Report

# The trailer, a report of 64 places and the last messages are within the last bytes of a log, and its
# format shows within the first.
_TAIL = 1 << 20
_HEAD = 64 << 10

_LIMIT = re.compile(r"max_states_per_insn (\d{1,9})")
_SUBPROG = re.compile(
    r"subprog (\d{1,9}) \((.*)\) (\S+) insns_self (\d{1,9}) insns_total (\d{1,9}) stack (\d{1,9})", re.ASCII
)
_DEEPEST = re.compile(r"stack depth .*\bmax (\d{1,9})", re.ASCII)


@dataclass(frozen=True)
class Subprog:
    """What the trailer says of one function; None where the kernel does not print it.

    kind: "main", "static" or "global" (7.3). insns: processed in it alone; insns_total: with what it calls.
    """

    number: int
    name: str | None = None
    kind: str | None = None
    insns: int | None = None
    insns_total: int | None = None
    stack: int | None = None


@dataclass(frozen=True)
class Summary:
    """messages: the lines that tell why it was refused, oldest first; () for a program that was accepted.

    insn: the last instruction that was looked at, and source its comment; None where the log traces none.
    deepest: bytes of stack that the deepest call chain needs (7.2 and later). cut: the log has no end.
    kernel: what its format tells, such as "6.17 to 7.1"; "" if nothing.
    """

    messages: tuple[str, ...]
    insn: ev.Insn | None
    source: ev.Source | None
    report: Report | None
    stats: trailer.Stats
    max_states_per_insn: int | None
    subprogs: tuple[Subprog, ...]
    deepest: int | None
    cut: bool
    kernel: str


def summary(data: Log) -> Summary:
    """Sum up a bare log; no input raises."""
    tail = data[:] if len(data) <= _TAIL else data[data.find(b"\n", len(data) - _TAIL) + 1 :]
    found = list(read(tail))
    end = [event for event in found if isinstance(event, ev.Trailer)]
    lines = [event for event in found if isinstance(event, ev.ReportLine)]
    insn = next((event for event in reversed(found) if isinstance(event, ev.Insn)), None)
    source = next((event for event in reversed(found) if isinstance(event, ev.Source)), None)
    whole = any(event.kind == "processed" for event in end)
    return Summary(
        _messages(found),
        insn,
        source,
        reports.parse(lines) if lines else None,
        trailer.parse(tail),
        _number(_LIMIT, end, "processed"),
        _subprogs(end),
        _number(_DEEPEST, end, "depth"),
        not whole,
        kernels.guess(data[:_HEAD], tail),
    )


# After these, what was said before is no longer the reason.
_WENT_ON = (ev.Insn, ev.FromTo, ev.Safe, ev.Call, ev.Return, ev.Func, ev.Listing, ev.Relocation, ev.Source)


def _messages(found: Sequence[Event]) -> tuple[str, ...]:
    """The messages after the last step of the verifier, or what BTF was refused for."""
    words: list[str] = []
    btf = ""
    for event in found:
        if isinstance(event, ev.Message):
            words.append(event.text.strip())
        elif isinstance(event, ev.Loop):
            words.append(f"infinite loop detected at insn {event.idx}")
        elif isinstance(event, ev.BtfType):
            words.clear()
            btf = event.text
        elif isinstance(event, _WENT_ON) or (isinstance(event, ev.State) and event.idx is not None):
            words.clear()
    return tuple(words) or ((btf,) if btf else ())


def _number(pattern: re.Pattern[str], lines: Sequence[ev.Trailer], kind: str) -> int | None:
    for line in lines:
        if line.kind == kind and (found := pattern.search(line.text)):
            return int(found[1])
    return None


def _subprogs(lines: Sequence[ev.Trailer]) -> tuple[Subprog, ...]:
    """7.3's lines, or up to 7.2 the terms of "stack depth" and "insns processed"."""
    named = [found for line in lines if line.kind == "subprog" and (found := _SUBPROG.match(line.text))]
    if named:
        return tuple(
            Subprog(int(n), name, kind, int(own), int(total), int(stack))
            for n, name, kind, own, total, stack in (found.groups() for found in named)
        )
    stacks = _terms(lines, "depth")
    insns: list[int | None] = list(_terms(lines, "insns"))
    if len(insns) != len(stacks):  # static functions have a depth, and count for who calls them
        insns = insns[:1]
    insns += [None] * (len(stacks) - len(insns))
    return tuple(
        Subprog(number, insns_total=total, stack=stack)
        for number, (total, stack) in enumerate(zip(insns, stacks, strict=False))
    )


def _terms(lines: Sequence[ev.Trailer], kind: str) -> list[int]:
    for line in lines:
        if line.kind == kind and (found := re.search(r"[a-z] (\d{1,9}(?:\+\d{1,9})*)", line.text, re.ASCII)):
            return [int(term) for term in found[1].split("+")]
    return []
