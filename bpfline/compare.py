# SPDX-License-Identifier: Apache-2.0
"""The change: what became of each program between two results, of one kernel each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bpfline_loader.errors import printable
from bpfline_loader.load import ACCEPTED, REFUSED
from bpfline_loader.verdict import Verdict

# The figures that are compared; verification_usec is noise.
FIGURES = ("processed_insns", "total_states", "peak_states", "stack_depth", "xlated_bytes", "jited_bytes")

# Kinds of change, in the order in which they are shown.
NEWLY_REFUSED, NEWLY_ACCEPTED, VERDICT, NEW, GONE, FIGURE, SAME = (
    *("newly refused", "newly accepted", "verdict", "new", "gone", "figures", "same"),
)


@dataclass(frozen=True)
class Delta:
    """One figure, before and after. percent: its growth; from 0 on, as if from 1."""

    figure: str
    before: int
    after: int
    percent: float

    def __str__(self) -> str:
        percent = f", {self.percent:+.1f} %" if self.before else ""
        return f"{self.figure} {self.before} to {self.after} ({self.after - self.before:+}{percent})"


@dataclass(frozen=True)
class Change:
    """What became of one program.

    name: "object/program". before, after: its verdicts, with the errno of a refusal, None where it was
    not. kind: one of the kinds above. deltas: the figures that both sides have, of a program that was
    accepted twice: those of a refused one only tell where the verifier stopped.
    """

    name: str
    kernel: str
    kind: str
    before: str | None
    after: str | None
    deltas: tuple[Delta, ...] = ()

    @property
    def changed(self) -> tuple[Delta, ...]:
        return tuple(delta for delta in self.deltas if delta.before != delta.after)


def by_name(rows: Iterable[Verdict]) -> dict[str, Verdict]:
    """rows by "object/program"; where several sections have a program of that name, each but the first by
    "object/program (section)"."""
    found: dict[str, Verdict] = {}
    for row in rows:
        name = f"{row.object}/{row.program}"
        found[f"{name} ({row.section})" if name in found else name] = row
    return found


def between(before: Mapping[str, Verdict], after: Mapping[str, Verdict]) -> list[Change]:
    """What became of every program that one of them has, the largest change first."""
    found = [
        _change(name, before.get(name), after.get(name)) for name in sorted(before.keys() | after.keys())
    ]
    return in_order(found)


def in_order(found: Iterable[Change]) -> list[Change]:
    """Changed verdicts, programs that came and went, then the largest change of a figure."""
    kinds = (NEWLY_REFUSED, NEWLY_ACCEPTED, VERDICT, NEW, GONE, FIGURE, SAME)

    def order(change: Change) -> tuple[Any, ...]:
        largest = max((abs(delta.percent) for delta in change.changed), default=0)
        return kinds.index(change.kind), -largest, change.name, change.kernel

    return sorted(found, key=order)


def _change(name: str, before: Verdict | None, after: Verdict | None) -> Change:
    some = after or before
    assert some is not None
    deltas = _deltas(before, after) if before and after else ()
    return Change(name, some.kernel, _kind(before, after, deltas), _word(before), _word(after), deltas)


def _kind(before: Verdict | None, after: Verdict | None, deltas: Sequence[Delta]) -> str:
    if before is None:
        return NEW
    if after is None:
        return GONE
    if before.verdict != after.verdict:
        return {REFUSED: NEWLY_REFUSED, ACCEPTED: NEWLY_ACCEPTED}.get(after.verdict, VERDICT)
    if before.errno and after.errno and before.errno != after.errno:  # a CSV of veristat's has none
        return VERDICT
    return FIGURE if any(delta.before != delta.after for delta in deltas) else SAME


def _word(row: Verdict | None) -> str | None:
    if row is None:
        return None
    return f"{row.verdict} ({row.errno})" if row.verdict == REFUSED and row.errno else row.verdict


def _deltas(before: Verdict, after: Verdict) -> tuple[Delta, ...]:
    if not before.verdict == after.verdict == ACCEPTED:
        return ()
    pairs = ((figure, getattr(before, figure), getattr(after, figure)) for figure in FIGURES)
    return tuple(
        Delta(figure, old, new, 100 * (new - old) / max(old, 1))
        for figure, old, new in pairs
        if old is not None and new is not None
    )


HEAD = ("program", "kernel", "what", "before", "after", "change", "percent")
_TO_THE_RIGHT = range(3, 7)


def cells(change: Change, *, whole: bool = False) -> list[tuple[str, ...]]:
    """change as lines of a table under HEAD: its verdict where that changed, and each figure that did;
    whole: also what did not."""
    lines = []
    if change.kind not in (FIGURE, SAME) or (whole and not change.deltas):
        how = "" if change.kind in (SAME, VERDICT) else change.kind
        lines.append(("verdict", change.before or "-", change.after or "-", how, ""))
    for delta in change.deltas if whole else change.changed:
        percent = f"{delta.percent:+.1f}" if delta.before else ""
        moved = f"{delta.after - delta.before:+}"
        lines.append((delta.figure, str(delta.before), str(delta.after), moved, percent))
    return [(change.name, change.kernel, *line) for line in lines]


def table(found: Iterable[Change], *, whole: bool = False) -> list[str]:
    """found as the lines of a table for people; the kernel is left out where there is only one."""
    found = list(found)
    rows = [HEAD, *(row for change in found for row in cells(change, whole=whole))]
    if len(rows) == 1:
        return []
    columns = [
        column for column in range(len(HEAD)) if column != 1 or len({each.kernel for each in found}) > 1
    ]
    shown = [[printable(row[column]) for column in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if column in _TO_THE_RIGHT else cell.ljust(width)
            for column, cell, width in zip(columns, row, widths, strict=True)
        ).rstrip()
        for row in shown
    ]
