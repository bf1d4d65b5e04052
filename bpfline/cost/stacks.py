# SPDX-License-Identifier: Apache-2.0
"""The verifier's work over the chain of calls: the data of a flame graph."""

from __future__ import annotations

import functools
from collections import Counter

from ..program_lines import Place, ProgramLines
from ..verifier_log import Log
from ..verifier_log.reader import comment
from .measure import commented, starts_of
from .walk import Walk

CHAINS_UP_TO = 128 << 20  # bytes of a log whose calls the reports follow: that takes 1 to 4 seconds


def stacks(log: Log, lines: ProgramLines | None = None) -> list[tuple[tuple[str, ...], int]]:
    """[(frames, processed instructions)] of a bare level 2 log, the heaviest first.

    frames, the outermost first: a function, the line in it that calls, the function called, ..., the line
    that is processed. A global function is verified on its own, so it begins a chain; so does an
    asynchronous callback.
    """
    starts = starts_of(log, lines)
    exact = lines is not None and bool(lines.places)
    walk = Walk({start for start, _ in starts[1:]})
    walk.follow(log, comments=not exact)
    names = ProgramLines("", b"", (), tuple(starts))

    def place(insn: int) -> Place | None:
        if lines is not None and exact:
            return lines.at(insn)
        said = walk.comments.get(b"%d" % insn, b";")[1:].rstrip(b"\r").decode("utf-8", "replace")
        return commented(comment(said))

    @functools.cache
    def frame(insn: int) -> tuple[str, str]:
        return names.function(insn) or "?", _label(place(insn), insn)

    weights: Counter[tuple[str, ...]] = Counter()
    for chain, visits in walk.visits.items():
        calls = tuple(word for insn in chain for word in frame(insn))
        for insn, times in visits.items():
            weights[calls + frame(int(insn))] += times
    return sorted(weights.items(), key=lambda entry: (-entry[1], entry[0]))


def _label(place: Place | None, insn: int) -> str:
    if place is not None and place.line:
        return f"{place.file}:{place.line}"
    return (place.source.strip() if place else "") or f"insn {insn}"
