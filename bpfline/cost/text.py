# SPDX-License-Identifier: Apache-2.0
"""The cost for a person at a terminal: one block for each program."""

from __future__ import annotations

from collections.abc import Iterator

from ..counted import counted
from ..errors import printable
from ..program_lines import Place
from .branches import Branch
from .measure import LIMIT, STACK_LIMIT, Cost, Function

_SOURCE = 60  # characters of a source line


def to_text(cost: Cost, *, name: str = "", top: int = 10, refused: str = "") -> str:
    """The block, without a newline at its end. name: in place of the program's; top: rows of each table;
    refused: why the figures are of a part of the program."""
    return "\n".join(_block(cost, name or cost.program, top, refused))


def _block(cost: Cost, name: str, top: int, refused: str) -> Iterator[str]:
    yield f"{printable(name or 'the program')}: {_processed(cost)}"
    yield f"  {_states(cost)}; {_stack(cost)}"
    if refused:
        yield f"  refused, after this work: {printable(refused)}"
    if cost.note:
        yield f"  note: {cost.note}"
    yield from _table("lines", top, [
        (_share(cost, each.insns), f"{each.insns:,}", where(each.place), _source(each.place))
        for each in cost.lines
    ])  # fmt: skip
    counted = [each for each in cost.functions if each.insns is not None]
    yield from _table("functions", top, [
        (_share(cost, each.insns or 0), f"{each.insns:,}", printable(each.name), "")
        for each in sorted(counted, key=lambda each: -(each.insns or 0))
    ])  # fmt: skip
    waits = any(each.waiting for each in cost.branches)
    title = "branches (taken, passed, both: the verifier could not tell"
    yield from _table(title + (", and one way waits still)" if waits else ")"), top, [
        (_side(each.taken), _side(each.passed), _both(each, waits) + _jump(each), _source(each.place))
        for each in cost.branches
    ])  # fmt: skip


def _both(branch: Branch, waits: bool) -> str:
    return f"{_side(branch.both)}  " + (f"{branch.waiting:,}  " if waits else "")


def _processed(cost: Cost) -> str:
    if cost.processed_insns is None:
        return "the log does not say how many instructions were processed"
    return f"{counted(cost.processed_insns, 'instruction')} processed, {_left(cost)} % of {LIMIT:,} left"


def _left(cost: Cost) -> str:
    left = cost.headroom_shown or 0.0
    return f"{left:.1f}" if 0.1 <= left < 99.95 or left in (0.0, 100.0) else f"{left:.4f}".rstrip("0")


def _states(cost: Cost) -> str:
    if cost.total_states is None:
        return "states unknown"
    peak = "" if cost.peak_states is None else f", {cost.peak_states:,} at the peak"
    limit = cost.max_states_per_insn
    most = "" if limit is None else f", {limit:,} per instruction at most"
    return f"{counted(cost.total_states, 'state')}{peak}{most}"


def _stack(cost: Cost) -> str:
    known = [each for each in cost.functions if each.stack is not None]
    deepest = "" if cost.deepest is None else f", {cost.deepest} of {STACK_LIMIT} at the deepest"
    if not known:
        return "stack unknown" if cost.deepest is None else f"stack{deepest[1:]}"
    return f"stack {' + '.join(map(_frame, known))} bytes{deepest}"


def _frame(function: Function) -> str:
    return f"{function.stack} ({printable(function.name)})"


def _share(cost: Cost, insns: int) -> str:
    return f"{cost.percent(insns):.1f}%"


def where(place: Place) -> str:
    """As terminals and editors click it."""
    return printable(str(place)) if place.file else "-"


def _side(times: int | None) -> str:
    return "?" if times is None else f"{times:,}"


def _jump(branch: Branch) -> str:
    return where(branch.place) if branch.place.file else f"insn {branch.insn}"


def _source(place: Place) -> str:
    text = printable(" ".join(place.source.split()))
    return text if len(text) <= _SOURCE else text[: _SOURCE - 3] + "..."


def _table(title: str, top: int, rows: list[tuple[str, str, str, str]]) -> Iterator[str]:
    if not rows or not top:
        return
    yield f"  {title}:"
    shown = rows[:top]
    widths = [max(len(row[column]) for row in shown) for column in range(3)]
    for first, second, third, last in shown:
        row = f"{first:>{max(widths[0], 6)}}  {second:>{widths[1]}}  {third:<{widths[2]}}  {last}"
        yield f"  {row}".rstrip()
    if len(rows) > top:
        yield f"  {'':>6}  and {len(rows) - top} more"
