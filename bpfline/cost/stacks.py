# SPDX-License-Identifier: Apache-2.0
"""The verifier's work over the chain of calls: the data of a flame graph."""

from __future__ import annotations

import re
from collections import Counter
from typing import TypeAlias

from .. import verifier_log
from ..program_lines import Place, ProgramLines
from ..verifier_log import events as ev
from .measure import CALL, EXIT, commented, conditional, starts_of

Chain: TypeAlias = tuple[int, ...]  # the call instructions that lead to a function

_MAY_GOTO = 0xE5  # BPF_JMP | BPF_JCOND, linux/bpf.h
_GOTO = re.compile(r"goto pc([+-]\d{1,9})", re.ASCII)
_FRAME = re.compile(r"frame(\d{1,2}):", re.ASCII)


def stacks(log: bytes, lines: ProgramLines | None = None) -> list[tuple[tuple[str, ...], int]]:
    """[(frames, processed instructions)] of a bare level 2 log, the heaviest first.

    frames, the outermost first: a function, the line in it that calls, the function called, ..., the line
    that is processed. A global function is verified on its own, so it begins a chain; so does an
    asynchronous callback.
    """
    starts = starts_of(log, lines)
    walk = _Walk({start for start, _ in starts[1:]})
    for event in verifier_log.read(log):
        walk.take(event)
    names = ProgramLines("", b"", (), tuple(starts))

    def place(insn: int) -> Place | None:
        own = lines.at(insn) if lines and lines.places else None
        return own or walk.comments.get(insn)

    def frames(chain: Chain, insn: int) -> tuple[str, ...]:
        return tuple(
            word for at in (*chain, insn) for word in (names.function(at) or "?", _label(place(at), at))
        )

    weights: Counter[tuple[str, ...]] = Counter()
    for (chain, insn), times in (+walk.visits).items():
        weights[frames(chain, insn)] += times
    return sorted(weights.items(), key=lambda entry: (-entry[1], entry[0]))


def _label(place: Place | None, insn: int) -> str:
    if place is not None and place.line:
        return f"{place.file}:{place.line}"
    return (place.source.strip() if place else "") or f"insn {insn}"


class _Walk:
    """Follows the verifier. waiting: the jumps and calls that it passed, whose other side it may take up
    later, with the chain of each: the last comes first (push_stack, pop_stack, kernel/bpf/verifier.c)."""

    def __init__(self, functions: set[int]) -> None:
        self.visits: Counter[tuple[Chain, int]] = Counter()
        self.comments: dict[int, Place] = {}
        self._functions = functions
        self._chain: Chain = ()
        self._waiting: list[tuple[Chain, int]] = []
        self._targets: dict[int, int] = {}
        self._exits: set[int] = set()
        self._last = 0
        self._ended = False  # the path, and nothing yet says where the next one begins
        self._unsure: tuple[Chain, int] | None = None
        self._recent: list[tuple[Chain, int]] = []  # visits since a branch was taken up
        self._comment: Place | None = None

    def take(self, event: ev.Event) -> None:
        if self._unsure is not None and isinstance(event, ev.State) and event.idx is None:
            self._waiting.append(self._unsure)
        self._unsure = None
        if isinstance(event, ev.Insn):
            self._insn(event)
        elif isinstance(event, ev.Source):
            self._comment = commented((event.text, event.file, event.lineno))
        elif isinstance(event, ev.FromTo):
            self._take_up(event)
            self._ended = event.pruned
            if event.pruned:
                self._visit(event.target)
        elif isinstance(event, ev.Safe | ev.Loop):
            self._begin(event.idx)
            self._visit(event.idx)
            self._ended = True
        elif isinstance(event, ev.Call) and event.side == "callee":
            self._chain = (*self._chain, self._last)
        elif isinstance(event, ev.Return) and event.idx is not None:
            self._return(event.idx)
        elif isinstance(event, ev.Func) and event.what == "validating":
            self._chain, self._waiting, self._ended = (), [], False

    def _insn(self, event: ev.Insn) -> None:
        self._begin(event.idx)
        self._visit(event.idx)
        self._last = event.idx
        if self._comment is not None:
            self.comments[event.idx] = self._comment
        if event.opcode == EXIT:
            self._exits.add(event.idx)
            self._ended = not self._chain
        elif event.opcode is not None and (event.opcode == CALL or conditional(event.opcode)):
            # Where the verifier cannot tell which way a jump goes it shows what it learned from it: on the
            # same line, or up to 5.16 or so on the next one (check_cond_jmp_op).
            if event.state or event.opcode in (CALL, _MAY_GOTO):
                self._waiting.append((self._chain, event.idx))
            else:
                self._unsure = (self._chain, event.idx)
            if found := _GOTO.search(event.text):
                self._targets[event.idx] = event.idx + 1 + int(found[1])

    def _visit(self, insn: int) -> None:
        self.visits[self._chain, insn] += 1
        self._recent.append((self._chain, insn))

    def _return(self, insn: int) -> None:
        """To where a function returns tells by which call it was entered: after a branch was taken up that
        may not be what was thought. (A callback returns to the call itself, from 6.8 on.)"""
        chain = self._chain
        if chain and chain[-1] not in (insn, insn - 1):
            right = (*chain[:-1], insn - 1)
            for was, at in self._recent:
                if was[: len(chain)] == chain:
                    self.visits[was, at] -= 1
                    self.visits[right + was[len(chain) :], at] += 1
        self._chain = chain[:-1]

    def _begin(self, idx: int) -> None:
        """Kernels up to 5.16 or so do not say from where they take up a branch: it is the last that leads
        here."""
        if self._ended:
            self._ended = False
            for index in reversed(range(len(self._waiting))):
                chain, insn = self._waiting[index]
                if self._targets.get(insn) == idx:
                    self._recent = []
                    del self._waiting[index:]
                    self._chain = chain
                    return

    def _take_up(self, event: ev.FromTo) -> None:
        if event.origin in self._exits:
            return  # 6.1 and later say so after "to caller at", too
        self._recent = []
        frame = None if event.pruned else _frame(event.state)
        into = event.target in self._functions and event.target != event.origin + 1
        for index in reversed(range(len(self._waiting))):
            chain, insn = self._waiting[index]
            if insn == event.origin and frame in (None, len(chain) + into, 0 if into else None):
                del self._waiting[index:]
                # A callback: a call whose frame is pushed with it (push_callback_call, 6.7), or none where
                # it is asynchronous (push_async_cb).
                self._chain = chain if not into else () if frame == 0 else (*chain, insn)
                return
        self._chain = self._chain[:frame]


def _frame(state: str) -> int:
    found = _FRAME.match(state)
    return int(found[1]) if found else 0
