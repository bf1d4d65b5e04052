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

from .pieces import Readable, pieces
from .reader import comment

# After a line's end: an instruction; a source comment; a listing of the program with all its rows, which
# look like instructions from the hundredth on (events.Listing); an instruction that was pruned. The
# literal first byte is what makes the search fast.
_ROWS = rb"(?:\n *\d+: \([0-9a-f]{2}\) [^\n]*)*"
_FOUND = re.compile(
    rb"\n(?:(\d{1,9}): \([0-9a-f]{2}\) |;( ?[^\n]*)"
    rb"|((?:subprog#\d|stack use/def )[^\n]*:\r?" + _ROWS + rb")"
    rb"|(?:from \d+ to )?(\d{1,9})(?: \(speculative execution\))?: safe\b"
    rb"|infinite loop detected at insn (\d{1,9}))"
)
_MORE_ROWS = re.compile(_ROWS)


Comment: TypeAlias = tuple[str, str | None, int | None]


@dataclass(frozen=True)
class Counts:
    """visits: how often each instruction was looked at, by its index.

    sources: the same by source comment: its text, file and line (events.Source); text is "" for what
    has none before it. pruned: those visits after which the verifier went no further. At level 1
    the log keeps one path only: the counts mean something at level 2.
    """

    visits: dict[int, int]
    sources: dict[Comment, int]
    pruned: dict[int, int]

    @property
    def total(self) -> int:
        """The trailer's "processed N insns", for a log that is whole."""
        return sum(self.visits.values())


def count(data: bytes | Readable) -> Counts:
    """Count the instructions of a log, or of a file of one, in bounded memory."""
    pairs: Counter[tuple[bytes, bytes]] = Counter()
    pruned: Counter[bytes] = Counter()
    source = b""
    listing = False  # the piece before ended within a listing
    for piece in pieces(data):
        text = b"\n" + piece.removesuffix(b"\n")
        start = _after_rows(text) if listing else 0
        listing = start == len(text)
        seen = []
        for number, said, rows, safe, loop in _FOUND.findall(text, start):
            if number:
                seen.append((source, number))
            elif rows:
                listing = text.endswith(rows)
            elif safe or loop:
                pruned[safe or loop] += 1
            else:
                source = said
        pairs.update(seen)
    return _counts(pairs, pruned)


def _after_rows(text: bytes) -> int:
    found = _MORE_ROWS.match(text)
    return found.end() if found else 0


def _counts(pairs: Counter[tuple[bytes, bytes]], pruned: Counter[bytes]) -> Counts:
    if not pairs:  # at level 4 nothing is traced, but a loop is named
        return Counts({}, {}, {})
    visits: Counter[int] = Counter()
    sources: Counter[Comment] = Counter()
    source_of: dict[bytes, bytes] = {}
    for (source, number), times in pairs.items():
        visits[int(number)] += times
        sources[_comment(source)] += times
        source_of[number] = source
    for number, times in pruned.items():  # printed without a comment, but looked at before
        visits[int(number)] += times
        sources[_comment(source_of.get(number, b""))] += times
    return Counts(dict(visits), dict(sources), {int(number): times for number, times in pruned.items()})


def _comment(source: bytes) -> Comment:
    return comment(source.rstrip(b"\r").decode("utf-8", "replace"))
