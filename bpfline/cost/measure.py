# SPDX-License-Identifier: Apache-2.0
"""The cost of one program, counted from the log of its verification."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bpfline_loader.bundle import Bundle
from bpfline_loader.verdict import Verdict

from .. import program_lines, verifier_log
from ..program_lines import Place, ProgramLines
from ..verifier_log import Counts, Log, Summary
from . import branches
from .branches import Branch
from .walk import Walk

SCHEMA = 1
LIMIT = 1_000_000  # BPF_COMPLEXITY_LIMIT_INSNS, linux/bpf.h: processed instructions
STACK_LIMIT = 512  # MAX_BPF_STACK, linux/filter.h: bytes over the deepest chain of calls

_HEAD = 64 << 10  # the functions are listed before the first instruction
_STARTS = re.compile(rb"^func#(\d{1,9}) @(\d{1,9})\r?$", re.MULTILINE)
_VALIDATING = re.compile(rb"\nValidating ([^\n]*)\(\) func#(\d{1,9})\.\.\.")


@dataclass(frozen=True)
class SourceLine:
    """A line of the source, and how many of the processed instructions are its."""

    place: Place
    insns: int


@dataclass(frozen=True)
class Function:
    """A function of the program, with what the compiler inlined into it. insns: processed in it alone;
    stack: bytes of its frame; None where the log does not tell. place: where it begins."""

    name: str
    place: Place | None
    insns: int | None
    stack: int | None


@dataclass(frozen=True)
class Cost:
    """What the verification of one program cost; figures are None where the log has none.

    deepest: bytes of stack of the deepest chain of calls (7.2 and later). counted: instructions in the log.
    functions are in the order of the program; lines and branches begin with the costliest. lines and
    branches are empty, and note says why, unless the log has every processed instruction.
    """

    program: str
    processed_insns: int | None
    total_states: int | None
    peak_states: int | None
    max_states_per_insn: int | None
    deepest: int | None
    counted: int
    functions: tuple[Function, ...] = ()
    lines: tuple[SourceLine, ...] = ()
    branches: tuple[Branch, ...] = ()
    note: str = ""

    @property
    def whole(self) -> bool:
        """Whether the log shows all of the work. The instruction beyond the limit is in the kernel's figures
        and never in its log (do_check: ++env->insn_processed > BPF_COMPLEXITY_LIMIT_INSNS)."""
        return bool(self.counted) and self.counted == min(self.processed_insns or 0, LIMIT)

    @property
    def headroom(self) -> float | None:
        """How much of the limit is left, in per cent."""
        if self.processed_insns is None:
            return None
        return max(0.0, 100 * (LIMIT - self.processed_insns) / LIMIT)

    @property
    def headroom_shown(self) -> float | None:
        """headroom as it is shown: in tenths, but never 100 or 0 where it is not."""
        left = self.headroom
        return left if left is None else round(left, 1 if 0.1 <= left < 99.95 else 4)

    def percent(self, insns: int) -> float:
        """The share of insns in all that were processed."""
        return 100 * insns / self.processed_insns if self.processed_insns else 0.0


def of(log: Log, lines: ProgramLines | None = None, *, program: str = "") -> Cost:
    """The cost that a bare verifier log tells of. lines: the program's, for exact places; without them the
    comments in the log have to do. program: its name, where lines are None."""
    counts, summary = verifier_log.count(log), verifier_log.summary(log)
    stats = summary.stats
    cost = Cost(
        lines.name if lines else program,
        *(stats.processed_insns, stats.total_states, stats.peak_states),
        *(summary.max_states_per_insn, summary.deepest, counts.total),
    )
    functions = tuple(_functions(log, lines, summary, counts if cost.whole else None))
    if not cost.whole:
        return dataclasses.replace(cost, functions=functions, note=_why_not(cost))
    place = _places(lines, counts)
    return dataclasses.replace(
        cost,
        functions=functions,
        lines=tuple(_by_line(counts, place)),
        branches=tuple(_branches(log, counts, place, {start for start, _ in starts_of(log, lines)}, summary)),
    )


def whole_of(path: Path, lines: ProgramLines | None, *, program: str) -> Cost | None:
    """The cost that the log in path tells of; None where it does not show all of the work, as `doit verify`
    keeps it of small programs only."""
    try:
        cost = of(verifier_log.mapped.of(path), lines, program=program)
    except OSError:
        return None
    return cost if cost.whole else None


def lines_of(verdict: Verdict, bundle: Bundle | None) -> ProgramLines | None:
    """The places of the program that a verdict is of."""
    for program in bundle.programs if bundle else ():
        if bundle and (program.name, program.section) == (verdict.program, verdict.section):
            return program_lines.of(program, bundle)
    return None


def _why_not(cost: Cost) -> str:
    if cost.processed_insns is None:
        return "the log has no end: which part of the work it shows is not known"
    if not cost.counted:
        return "the log traces no instructions: that takes log level 2"
    return f"the log has {cost.counted:,} of {cost.processed_insns:,} instructions: all are in one of level 2"


def _branches(
    log: Log, counts: Counts, place: Places, starts: set[int], summary: Summary
) -> Iterator[Branch]:
    """Of a program that was refused, with what the verifier left for later, and never came to."""
    waiting: Counter[int] = Counter()
    if summary.messages:
        walk = Walk(starts)
        walk.follow(log, comments=False)
        waiting = walk.waiting
        if walk.looped is not None:
            counts = dataclasses.replace(
                counts, edges={**counts.edges, walk.looped: counts.edges.get(walk.looped, 0) + 1}
            )
    return branches.of(counts, place, starts, waiting)


Places = Callable[[int], Place]
_NOWHERE = Place()


def _places(lines: ProgramLines | None, counts: Counts) -> Places:
    """Where each instruction comes from: from the program, or where it has no line_info from the log."""
    if lines is not None and lines.places:
        return lambda insn: lines.at(insn) or _NOWHERE
    return lambda insn: commented(counts.comments.get(insn))


def commented(comment: tuple[str, str | None, int | None] | None) -> Place:
    """The place that a comment in the log names: text, file and line (events.Source)."""
    if comment is None:
        return _NOWHERE
    text, file, line = comment
    return Place(file or "", line or 0, source=text)


def _by_line(counts: Counts, place: Places) -> Iterator[SourceLine]:
    insns: Counter[tuple[str, int, str]] = Counter()
    places: dict[tuple[str, int, str], Place] = {}
    for insn, times in counts.visits.items():
        at = place(insn)
        key = (at.file, at.line, "" if at.line else at.source)
        insns[key] += times
        places.setdefault(key, dataclasses.replace(at, column=0))
    for key in sorted(insns, key=lambda key: (-insns[key], key)):
        yield SourceLine(places[key], insns[key])


def _functions(
    log: Log, lines: ProgramLines | None, summary: Summary, counts: Counts | None
) -> Iterator[Function]:
    """The kernel numbers functions in the order of their instructions, as func_info has them."""
    told = {each.number: each for each in summary.subprogs}
    starts = starts_of(log, lines)
    if not starts:  # no instruction is known: what the end of the log tells has to do
        for each in summary.subprogs:
            yield Function(each.name or f"func#{each.number}", None, each.insns, each.stack)
        return
    ends = [start for start, _ in starts[1:]] + [1 << 62]
    # Functions that the kernel removed, or added, would shift the numbers.
    same = len(told) == len(starts)
    for number, ((start, name), end) in enumerate(zip(starts, ends, strict=True)):
        its = told[number] if same and number in told else None
        own = its.insns if its else None
        if counts:
            own = sum(times for insn, times in counts.visits.items() if start <= insn < end)
        place = lines.at(start) if lines else None
        yield Function((its and its.name) or name, place, own, its.stack if its else None)


def starts_of(log: Log, lines: ProgramLines | None) -> Sequence[tuple[int, str]]:
    """First instruction and name of each function; from the log where the program does not say."""
    if lines is not None and lines.functions:
        return lines.functions
    starts = _STARTS.findall(log[:_HEAD])
    names: dict[int, str] = {}
    if len(starts) > 1:  # the first is the program itself, which is not said to be validated
        for piece in verifier_log.pieces(log):
            for name, number in _VALIDATING.findall(b"\n" + piece):
                names[int(number)] = name.decode("utf-8", "replace")
    return sorted((int(insn), names.get(int(number), f"func#{number.decode()}")) for number, insn in starts)


def to_json(cost: Cost) -> dict[str, Any]:
    """The cost for programs to read; percentages are rounded to a hundredth, the headroom as in the text."""
    return {
        "program": cost.program,
        "processed_insns": cost.processed_insns,
        "limit": LIMIT,
        "headroom_percent": cost.headroom_shown,
        "total_states": cost.total_states,
        "peak_states": cost.peak_states,
        "max_states_per_insn": cost.max_states_per_insn,
        "deepest_stack": cost.deepest,
        "counted_insns": cost.counted,
        "functions": [
            {
                "name": each.name,
                "insns": each.insns,
                "percent": None if each.insns is None else round(cost.percent(each.insns), 2),
                "stack": each.stack,
                "place": each.place and dataclasses.asdict(each.place),
            }
            for each in cost.functions
        ],
        "lines": [
            {
                "insns": each.insns,
                "percent": round(cost.percent(each.insns), 2),
                **dataclasses.asdict(each.place),
            }
            for each in cost.lines
        ],
        "branches": [
            {
                "insn": each.insn,
                "visits": each.visits,
                "taken": each.taken,
                "passed": each.passed,
                "both": each.both,
                "waiting": each.waiting,
                **dataclasses.asdict(each.place),
            }
            for each in cost.branches
        ],
        "note": cost.note,
    }
