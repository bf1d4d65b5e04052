# SPDX-License-Identifier: Apache-2.0
"""A walk through a level 2 log, as the verifier went: by which chain of calls it came to each instruction.

The log is searched, not parsed: most of its bytes are states, which are passed over.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import TypeAlias

from ..verifier_log import Log
from ..verifier_log.count import ROWS
from ..verifier_log.mapped import let_go
from .branches import CALL, EXIT, conditional

Chain: TypeAlias = tuple[int, ...]  # the call instructions that lead to a function

# After a line's end: an instruction, a jump, call or exit (classes BPF_JMP and BPF_JMP32, linux/bpf.h) with
# its words; a source comment; a listing, whose rows are none (count.py); a branch that is taken up; an
# instruction that was pruned; a loop; the sides of a call; a function that is verified on its own.
_FOUND = re.compile(
    rb"\n(?:(\d{1,9}): \((?:[0-9a-f][0-47-9a-cf]\) |([0-9a-f][56de])\) ([^\n]*))"
    rb"|(;[^\n]*)"
    rb"|((?:subprog#\d|stack use/def )[^\n]*:\r?" + ROWS + rb")"
    rb"|from (\d{1,9}) to (\d{1,9})( \(speculative execution\))?:(?: (?:(safe\b)|(?:frame(\d{1,2}):)?))?()"
    rb"|(\d{1,9}): safe\b"
    rb"|infinite loop detected at insn (\d{1,9})"
    rb"|(callee:)"
    rb"|to caller at (\d{1,9}):"
    rb"|(Validating )[^\n]*\(\) func#\d)"
)
# The last group of each that took part in the match: re.Match.lastindex.
_PLAIN, _JUMP, _COMMENT, _FROM_TO, _SAFE, _LOOP, _CALLEE, _CALLER, _ALONE = 1, 3, 4, 11, 12, 13, 14, 15, 16

_FIRST = 1 << 20  # bytes in which the first line ends, or the listing that begins with it
_MAY_GOTO = 0xE5  # BPF_JMP | BPF_JCOND, linux/bpf.h
_GOTO = re.compile(rb"goto pc([+-]\d{1,9})")
_TO_FUNCTION = b"call pc"


_GIVEN_BACK = 16 << 20  # bytes of a mapped log that are looked at before their memory is given back


def _all(log: Log) -> Iterator[re.Match[bytes]]:
    """What is found in log: in its first line, which has no line's end before it, and from there on."""
    first = _FOUND.match(b"\n" + log[:_FIRST])
    if first:
        yield first
    enough = _GIVEN_BACK
    for found in _FOUND.finditer(log, first.end() - 1 if first else 0):
        yield found
        if found.end() > enough:
            enough += _GIVEN_BACK
            if not isinstance(log, bytes):
                let_go(log)


class Walk:
    """Follows the verifier. comments: of each instruction, where they are asked for. looped: from
    where to where the verifier went to find an infinite loop, if it took up a branch for that.

    _path: the instructions since a branch was taken up, by chain. _waiting: the jumps and calls that were
    passed, whose other side may be taken up later, with the chain of each, and whether the jump was taken:
    the last comes first (push_stack, pop_stack, kernel/bpf/verifier.c)."""

    def __init__(self, functions: set[int]) -> None:
        self.comments: dict[bytes, bytes] = {}
        self._visits: dict[Chain, Counter[bytes]] = {}
        self._functions = functions
        self._chain: Chain = ()
        self._path: list[tuple[Chain, list[bytes]]] = [((), [])]
        self._waiting: list[tuple[Chain, int, bool]] = []
        self.looped: tuple[int, int] | None = None
        self._targets: dict[int, int] = {}
        self._calls: set[int] = set()
        self._exits: set[int] = set()
        self._jump: int | None = None  # a jump that waits, of which the next instruction tells where it went
        self._ended = False  # the path, and nothing yet says where the next one begins

    @property
    def visits(self) -> dict[Chain, Counter[bytes]]:
        """How often each instruction was looked at, by chain and its index as the log has it."""
        self._settle()
        return self._visits

    @property
    def waiting(self) -> Counter[int]:
        """How often each jump's other side was left for later, and is left still."""
        return Counter(insn for _, insn, taken in self._waiting if not taken and insn not in self._calls)

    def follow(self, log: Log, *, comments: bool) -> None:
        comment, last = b"", b"0"
        its = self._path[-1][1]
        for found in _all(log):
            kind = found.lastindex
            if kind in (_PLAIN, _JUMP):
                last = found[1]
                if self._ended or self._jump is not None:
                    self._next(int(last))
                    its = self._path[-1][1]
                its.append(last)
                if comments:
                    self.comments[last] = comment
                if kind == _JUMP:
                    # Where the verifier cannot tell which way a jump goes it shows what it learned from
                    # it: on the same line, or up to 5.16 or so on the next one (check_cond_jmp_op).
                    told = b";" in found[3] or found.string[found.end() : found.end() + 2] == b"\n "
                    self._leaves(int(last), int(found[2], 16), found[3], told=told)
            elif kind == _COMMENT:
                comment = found[4]
            elif kind == _FROM_TO:
                branch, target, speculative, pruned, frame = found.group(6, 7, 8, 9, 10)
                depth = None if pruned else int(frame or 0)
                self._take_up(int(branch), int(target), depth, jumped=bool(speculative))
                if pruned:
                    self._prune(target)
            elif kind in (_SAFE, _LOOP):
                origin = self._next(int(found[kind]))
                self._prune(found[kind])
                if kind == _LOOP and origin is not None:
                    self.looped = origin, int(found[kind])
            elif kind == _CALLEE:
                self._go((*self._chain, int(last)))
            elif kind == _CALLER:
                self._return(int(found[_CALLER]))
            elif kind == _ALONE:
                self._settle()
                self._waiting, self._ended, self._jump = [], False, None
                self._go(())
            its = self._path[-1][1]

    def _go(self, chain: Chain) -> None:
        self._chain = chain
        self._path.append((chain, []))

    def _settle(self) -> None:
        """What was visited was visited by the chains that are known."""
        for chain, insns in self._path:
            self._visits.setdefault(chain, Counter()).update(insns)
        self._path = [(self._chain, [])]

    def _prune(self, insn: bytes) -> None:
        self._path[-1][1].append(insn)
        self._ended = True

    def _leaves(self, insn: int, opcode: int, words: bytes, *, told: bool) -> None:
        """A jump, a call or an exit, which may leave another side for later."""
        if opcode == EXIT:
            self._exits.add(insn)
            self._ended = not self._chain
        elif opcode == CALL:
            if not words.startswith(_TO_FUNCTION):
                self._calls.add(insn)
                self._waiting.append((self._chain, insn, False))
        elif opcode == _MAY_GOTO or (conditional(opcode) and told):
            self._waiting.append((self._chain, insn, False))
            self._jump = None if opcode == _MAY_GOTO else insn
            if found := _GOTO.search(words):
                self._targets[insn] = insn + 1 + int(found[1])

    def _next(self, insn: int) -> int | None:
        """The jump that was taken up for that, if it was one that waited.

        A jump that was taken was known to be: else the verifier leaves that side for later, and goes on
        behind it (check_cond_jmp_op)."""
        if self._jump is not None:
            if insn != self._jump + 1:
                chain, jump, _ = self._waiting[-1]
                self._waiting[-1] = chain, jump, True
            self._jump = None
        return self._begin(insn) if self._ended else None

    def _begin(self, insn: int) -> int | None:
        """Kernels up to 5.16 or so do not say from where they take up a branch: it is the last that leads
        here."""
        self._ended = False
        for index in reversed(range(len(self._waiting))):
            chain, jump, taken = self._waiting[index]
            if not taken and self._targets.get(jump) == insn:
                self._resume(index, chain)
                return jump
        return None

    def _resume(self, index: int, chain: Chain) -> None:
        del self._waiting[index:]
        self._settle()
        self._go(chain)

    def _take_up(self, origin: int, target: int, depth: int | None, *, jumped: bool) -> None:
        """jumped: the other side of a jump that was known to be taken, too: without privilege it is looked at
        as a processor may (sanitize_speculative_path)."""
        self._ended, self._jump = False, None
        if origin in self._exits:
            return  # 6.1 and later say so after "to caller at", too
        # A callback begins: a call whose frame is pushed with it (push_callback_call, 6.7), or none where it
        # is asynchronous (push_async_cb). A loop may also begin with a function's first instruction.
        into = origin in self._calls and target in self._functions and target != origin + 1
        for index in reversed(range(len(self._waiting))):
            chain, insn, taken = self._waiting[index]
            fits = depth in (None, len(chain) + into, 0 if into else None)
            if insn == origin and fits and (jumped or not taken):
                self._resume(index, chain if not into else () if depth == 0 else (*chain, insn))
                return
        self._settle()
        self._go(self._chain[:depth])

    def _return(self, insn: int) -> None:
        """To where a function returns tells by which call it was entered: after a branch was taken up that
        may not be what was thought. (A callback returns to the call itself, from 6.8 on.)"""
        chain = self._chain
        if chain and chain[-1] not in (insn, insn - 1):
            right = (*chain[:-1], insn - 1)
            for index, (was, insns) in enumerate(self._path):
                if was[: len(chain)] == chain:
                    self._path[index] = right + was[len(chain) :], insns
        self._go(chain[:-1])
