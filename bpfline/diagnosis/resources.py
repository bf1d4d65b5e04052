# SPDX-License-Identifier: Apache-2.0
"""Messages of what a program holds where it may not: where it got it."""

from __future__ import annotations

import re

from . import marks as m
from .finding import Finding, finding, in_order, last
from .marks import Mark
from .path import Path


def leak(path: Path, found: re.Match[str]) -> Finding:
    insn = int(found[1])
    for at in reversed(range(len(path.visits))):
        visit = path.visits[at]
        if visit.idx == insn:
            callee = f"{visit.op.name}()" if visit.op.name else "this"
            got = Mark(at, "acquired", f"{callee} gives what has to be released")
            return _not_undone(
                path, got, f"what {callee} gives", "released", still_held=f"what {callee} gave is still held"
            )
    return Finding("what is given here is not released on every path", insn=insn)


def held(path: Path, found: re.Match[str]) -> Finding:
    """A lock or the like that is still held."""
    taken = (f"bpf_{found[1]}", "bpf_spin_lock", "bpf_res_spin_lock")
    for at in reversed(range(last(path) if path.visits else 0)):
        name = path.visits[at].op.name
        if name.startswith(taken):
            what = ("the lock taken", "released") if "spin_lock" in name else ("the section entered", "left")
            return _not_undone(path, Mark(at, "acquired", f"{name}() is called"), *what)
    return Finding()


def _not_undone(path: Path, got: Mark, what: str, undone: str, still_held: str = "") -> Finding:
    """still_held: the label where the path does not end. Where it does, the place to look at is that of got:
    the end is often no more than a closing brace."""
    marks = [*m.branches(path, got.at, last(path)), got]
    if path.visits[-1].op.kind != "exit":
        return finding(path, still_held, marks)
    end = Mark(last(path), "lost", f"the path ends here, and it was not {undone}")
    label = f"{what} here is not {undone} on every path"
    return Finding(label, in_order(path, [*marks, end]), insn=path.visits[got.at].idx)
