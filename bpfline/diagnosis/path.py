# SPDX-License-Identifier: Apache-2.0
"""The last path: the instructions that the verifier followed, one after the other, to where it refused.

A log of level 1 is that path, and one of level 2 has every path in turn: `from 6 to 14: ...` goes back to
where instruction 6 left two ways open.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from bpfline.verifier_log import events as ev
from bpfline.verifier_log import states
from bpfline.verifier_log.events import Event
from bpfline.verifier_log.states import Registers, Value

from .insn import Op, parse

MOST = 20_000  # instructions that are kept of a path; people follow fewer

_FRAME = re.compile(r"frame(\d{1,4}):", re.ASCII)


@dataclass
class Visit:
    """The verifier looks at one instruction.

    frame: 0 in the program itself, 1 in what it calls. line: in the log. after: the states that the log
    has between this and the next instruction. resumed: this branch's other way was followed later.
    """

    idx: int
    text: str
    frame: int
    line: int
    source: ev.Source | None
    after: list[str] = field(default_factory=list)
    resumed: bool = False

    @property
    def op(self) -> Op:
        return parse(self.text)

    def state(self, frame: int) -> list[Registers]:
        """What the log says of a frame after this instruction, the last first."""
        return [found for text in reversed(self.after) if (found := registers(text)).frame == frame]


@dataclass
class Path:
    """visits: oldest first. start: the state before the first. cut: not 0 where there were others before."""

    visits: list[Visit] = field(default_factory=list)
    start: str = ""
    cut: int = 0

    def value(self, at: int, reg: int, frame: int) -> Value | None:
        """The last that the log says of a register before visit at; None where it was set since."""
        for visit in reversed(self.visits[:at]):
            for state in visit.state(frame):
                if reg in state.regs:
                    return state.regs[reg]
            if visit.frame < frame or (visit.frame == frame and _sets(visit.op, reg)):
                return None
        return registers(self.start).regs.get(reg)

    @property
    def is_whole(self) -> bool:
        """Whether it begins where the program, or a global function, begins."""
        return not self.cut and (bool(self.start) or bool(self.visits and self.visits[0].idx == 0))

    def next_idx(self, at: int) -> int | None:
        return self.visits[at + 1].idx if at + 1 < len(self.visits) else None


def _sets(op: Op, reg: int) -> bool:
    if op.kind in ("set", "move", "alu", "load"):
        return op.dst == reg
    return (op.kind in ("helper", "enter") and reg < 6) or op.fetched == reg


@functools.lru_cache(maxsize=1 << 12)
def registers(text: str) -> Registers:
    return states.parse(text)


def read(events: Iterable[Event], *, cut: int = 0) -> Path:
    """The last path of a log. cut: how much of the log is not in events."""
    reader = _Reader()
    reader.path.cut = cut
    for event in events:
        reader.take(event)
    return reader.path


class _Reader:
    """source and frame: of the next instruction. ended: the verifier was done with the path."""

    def __init__(self) -> None:
        self.path = Path()
        self.source: ev.Source | None = None
        self.frame = 0
        self.ended = False

    def take(self, event: Event) -> None:
        if isinstance(event, ev.Insn):
            self._insn(event)
        elif isinstance(event, ev.Source):
            # "; @ t.bpf.c:0", or no text: of no line, so it belongs to the line before.
            self.source = event if event.text and event.lineno != 0 else self.source
        elif isinstance(event, ev.State):
            if event.idx is not None:
                self._take_up(event.idx)
                self._jumped(event.idx)
                self.frame = _frame(event.state)
            self._add(event.state)
        elif isinstance(event, ev.FromTo):
            self._go_back(event.target, event.origin)
            self.ended = event.pruned
            if not event.pruned:
                self.frame = _frame(event.state)
                self._add(event.state)
        elif isinstance(event, ev.Call):
            self.frame += event.side == "callee"
        elif isinstance(event, ev.Return):
            self.ended = False
            self.frame -= event.idx is not None and self.frame > 0
        elif isinstance(event, ev.Safe):
            self.ended = True
        elif isinstance(event, ev.Loop):
            self._loop(event)
        elif isinstance(event, ev.Func) and event.what in ("validating", "safe"):
            # Each global function is verified like a program of its own.
            self.path, self.frame, self.ended = Path(), 0, False

    def _insn(self, event: ev.Insn) -> None:
        self._take_up(event.idx)
        self.frame = _frame(event.state) if event.state else self.frame
        after = [event.state] if event.state else []
        visits = self.path.visits
        visits.append(Visit(event.idx, event.text, self.frame, event.line, self.source, after))
        if len(visits) >= 2 * MOST:
            del visits[:MOST]
            self.path.cut += MOST
        self.ended = event.text == "exit"

    def _loop(self, event: ev.Loop) -> None:
        """The verifier came to an instruction again, and shows no more of it than its number: not even
        that it took up a branch to get there."""
        self._take_up(event.idx)
        known = next((visit for visit in reversed(self.path.visits) if visit.idx == event.idx), None)
        if known is not None:
            again = Visit(event.idx, known.text, known.frame, event.line, known.source)
            self.path.visits.append(again)

    def _add(self, state: str) -> None:
        if self.path.visits:
            self.path.visits[-1].after.append(state)
        else:
            self.path.start = state

    def _take_up(self, idx: int) -> None:
        """Up to 6.1, level 2 does not say which branch it takes up when a path has ended."""
        if self.ended:
            self.ended = False
            self._go_back(idx, None)

    def _jumped(self, idx: int) -> None:
        """At level 1 the log of a path that succeeds is taken out, and the comment with it that would be
        said again for the next instruction, were it another (print_linfo): its line is not known."""
        visits = self.path.visits
        if visits and visits[-1].op.kind == "branch" and idx == visits[-1].op.target(visits[-1].idx):
            self.source = None

    def _go_back(self, target: int, origin: int | None) -> None:
        """Cut the path at the branch whose other way, to target, is taken up.

        The verifier puts the way that it does not follow at once on a stack (push_stack, pop_stack): that
        is the last visit of origin from which the path went another way, and which was not resumed yet.
        """
        visits = self.path.visits
        for at in reversed(range(len(visits))):
            visit = visits[at]
            if visit.resumed or self.path.next_idx(at) == target:
                continue
            if visit.idx == origin or (origin is None and visit.op.target(visit.idx) == target):
                if at + 1 == len(visits):
                    self._jumped(target)
                del visits[at + 1 :]
                visit.after.clear()
                visit.resumed = True
                return
        self.path.cut += len(visits)
        self.path.visits, self.path.start = [], ""


def _frame(state: str) -> int:
    found = _FRAME.match(state.lstrip())
    return int(found[1]) if found else 0
