# SPDX-License-Identifier: Apache-2.0
"""How often the verifier looked at each instruction: one fast pass over a level 2 log.

The log is searched, not parsed: nearly all of its bytes are states, which are passed over. The verifier
counts an instruction before it looks whether a state like this one is known (do_check), so "17: safe"
is a visit too, and so is the one where an infinite loop shows.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TypeAlias

from .mapped import Log
from .pieces import Readable, pieces
from .reader import comment

# After a line's end: an instruction, with its opcode; a source comment; a listing of the program with all
# its rows, which look like instructions from the hundredth on (events.Listing); a branch that is taken up,
# and "safe" where it was pruned; another instruction that was pruned. The literal first byte is what makes
# the search fast.
ROWS = rb"(?:\n *\d+: \([0-9a-f]{2}\) [^\n]*)*"
_FOUND = re.compile(
    rb"\n(?:(\d{1,9}: \([0-9a-f]{2})\) |;( ?[^\n]*)"
    rb"|((?:subprog#\d|stack use/def )[^\n]*:\r?" + ROWS + rb")"
    rb"|(from \d{1,9} to \d{1,9}(?: \(speculative execution\))?:(?: safe\b)?)"
    rb"|(\d{1,9}): safe\b"
    rb"|infinite loop detected at insn (\d{1,9}))"
)
_MORE_ROWS = re.compile(ROWS)


Comment: TypeAlias = tuple[str, str | None, int | None]


@dataclass(frozen=True)
class Counts:
    """visits: how often each instruction was looked at, by its index.

    sources: the same by source comment: its text, file and line (events.Source); text is "" for what
    has none before it. pruned: those visits after which the verifier went no further. edges: how often
    it went from one instruction to another; into a function, out of it, and up a branch that it had left
    for later count too. opcodes, comments: of each instruction. At level 1 the log keeps one path only:
    the counts mean something at level 2.
    """

    visits: dict[int, int]
    sources: dict[Comment, int]
    pruned: dict[int, int]
    edges: dict[tuple[int, int], int]
    opcodes: dict[int, int]
    comments: dict[int, Comment]

    @property
    def total(self) -> int:
        """The trailer's "processed N insns", for a log that is whole."""
        return sum(self.visits.values())


def count(data: Log | Readable) -> Counts:
    """Count the instructions of a log, or of a file of one, in bounded memory."""
    visits: Counter[tuple[bytes, bytes, bytes]] = Counter()
    pruned: Counter[tuple[bytes, bytes]] = Counter()
    source = before = b""
    listing = False  # the piece before ended within a listing
    for piece in pieces(data):
        text = b"\n" + piece.removesuffix(b"\n")
        start = _after_rows(text) if listing else 0
        listing = start == len(text)
        seen = []
        for insn, said, rows, branch, safe, loop in _FOUND.findall(text, start):
            if insn:
                seen.append((source, before, insn))
                before = insn
            elif branch:
                _, before, _, target, *known = branch.split()
                if known[-1:] == [b"safe"]:
                    pruned[before, target.rstrip(b":")] += 1
                    before = b""
            elif rows:
                listing = text.endswith(rows)
            elif safe or loop:
                pruned[before, safe or loop] += 1
                before = b""
            else:
                source = said
        visits.update(seen)
    return _counts(visits, pruned)


def _after_rows(text: bytes) -> int:
    found = _MORE_ROWS.match(text)
    return found.end() if found else 0


def _counts(seen: Counter[tuple[bytes, bytes, bytes]], pruned: Counter[tuple[bytes, bytes]]) -> Counts:
    """seen: by source comment, instruction before and instruction; an instruction is `17: (b5`."""
    if not seen:  # at level 4 nothing is traced, but a loop is named
        return Counts({}, {}, {}, {}, {}, {})
    visits: Counter[int] = Counter()
    sources: Counter[Comment] = Counter()
    edges: Counter[tuple[int, int]] = Counter()
    opcodes: dict[int, int] = {}
    comments: dict[int, Comment] = {}
    for (source, before, insn), times in seen.items():
        number = _number(insn)
        visits[number] += times
        comments[number] = _comment(source)
        sources[comments[number]] += times
        opcodes[number] = int(insn[-2:], 16)
        if before:
            edges[_number(before), number] += times
    cut: Counter[int] = Counter()
    for (before, insn), times in pruned.items():  # printed without a comment, but looked at before
        number = _number(insn)
        visits[number] += times
        sources[comments.get(number, _comment(b""))] += times
        cut[number] += times
        if before:
            edges[_number(before), number] += times
    return Counts(dict(visits), dict(sources), dict(cut), dict(edges), opcodes, comments)


def _number(insn: bytes) -> int:
    return int(insn.partition(b":")[0])


def _comment(source: bytes) -> Comment:
    return comment(source.rstrip(b"\r").decode("utf-8", "replace"))
