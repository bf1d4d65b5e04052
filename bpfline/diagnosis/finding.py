# SPDX-License-Identifier: Apache-2.0
"""What is found out about one message: the words beneath the marker, and the way to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bpfline.catalogue import Fault

from . import marks as m
from .marks import Mark
from .path import Path


@dataclass(frozen=True)
class Finding:
    """label: for the marker. marks: the way there. help: of this case, instead of the catalogue's remedy.
    cause, fault: of this case, instead of the catalogue's. insn: where, if not at the last instruction of the
    path."""

    label: str = ""
    marks: tuple[Mark, ...] = ()
    help: str = ""
    insn: int | None = None
    cause: str = ""
    fault: Fault | None = None


def finding(path: Path, label: str, marks: Iterable[Mark | None], help: str = "") -> Finding:  # noqa: A002
    return Finding(label, in_order(path, marks), help)


def in_order(path: Path, marks: Iterable[Mark | None]) -> tuple[Mark, ...]:
    calls = list(m.calls(path, last(path))) if path.visits else []
    unique = {mark.at: mark for mark in [*calls, *filter(None, marks)]}  # the last one knows most
    return tuple(unique[at] for at in sorted(unique))


def history(path: Path, reg: int, what: str = "") -> list[Mark]:
    """What happened to the value of reg."""
    return m.of_value(path, last(path), reg, what) if path.visits else []


def between(path: Path, marks: list[Mark]) -> list[Mark]:
    """The branches since the first of marks."""
    return list(m.branches(path, marks[0].at, last(path))) if marks else []


def last(path: Path) -> int:
    return len(path.visits) - 1
