# SPDX-License-Identifier: Apache-2.0
"""The gate: what settings and baseline make of the verdicts, and whether the build may pass."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bpfline_loader import table, verdict
from bpfline_loader.load import ACCEPTED, REFUSED
from bpfline_loader.verdict import Verdict

from . import baseline, budget, failure, refusals
from .baseline import Comparison
from .budget import Broken
from .compare import GONE, NEW, NEWLY_REFUSED, SAME, Change, Delta
from .compare import table as change_table
from .counted import counted
from .errors import OK, Problem, printable
from .errors import REFUSED as FAILED
from .failure import Failure
from .project import Project, warnings_of_programs
from .settings import BaselineSettings, ProgramSettings, Settings
from .terminal import say

if TYPE_CHECKING:
    from .diagnosis import Diagnosis
    from .report import Results

VERDICTS = (ACCEPTED, REFUSED, "unsupported", "error")  # as they are counted


@dataclass(frozen=True)
class Judged:
    """One verdict, judged. expected: it was to be refused. change: since the baseline, None where that
    has nothing of it. failures: why the build may not pass, besides a refusal."""

    verdict: Verdict
    expected: bool = False
    broken: tuple[Broken, ...] = ()
    change: Change | None = None
    failures: tuple[Failure, ...] = ()

    @property
    def status(self) -> int:
        """The exit status that it asks for: none for an object without a program, whose build failed with
        a status of its own."""
        if not self.verdict.program:
            return OK
        as_expected = self.expected and self.verdict.verdict == REFUSED
        plain = OK if as_expected else table.status([self.verdict])
        return max(plain, FAILED if self.broken or self.failures else OK)


@dataclass(frozen=True)
class Gate:
    """A whole run, judged. since: what changed since the baseline. notes: what stops nothing but is said.
    trouble: why the baseline could not be read."""

    rows: tuple[Judged, ...]
    since: Comparison = Comparison()  # noqa: RUF009 - immutable
    notes: tuple[str, ...] = ()
    trouble: Problem | None = None

    @property
    def status(self) -> int:
        own = self.trouble.status if self.trouble else OK
        return max(own, *(row.status for row in self.rows), OK)


def of_project(project: Project, verdicts: Sequence[Verdict], *, compared: bool = True) -> Gate:
    """Judge the verdicts of a run in project, which is the current directory. compared: with its baseline;
    not where --set changed what was verified."""
    objects = {source.object for source in project.sources}
    since, trouble = Comparison(), None
    tried = [each for each in verdicts if each.program]
    if not compared:
        since = Comparison(notes=("not compared: --set is not what the baseline was made with",))
    elif tried:
        try:
            before = baseline.read(baseline.FILE)
            since = baseline.since(before, tried, os.uname().machine, objects)
        except Problem as problem:
            trouble = problem
    gate = judge(verdicts, project.settings, since, objects)
    return dataclasses.replace(gate, trouble=trouble)


def judge(
    verdicts: Sequence[Verdict], settings: Settings, since: Comparison, objects: Collection[str]
) -> Gate:
    """Judge verdicts. objects: all that the project has."""
    rows = []
    for each in verdicts:
        its = settings.of_program(budget.name(each))
        change = since.of.get(each)
        failures = (*_unexpected(each, its), *_since(each, its, change, settings.baseline))
        # Of a program that was to be refused, that it is accepted is all that is wrong.
        broken = () if its.expect == REFUSED else tuple(budget.broken(each, settings))
        rows.append(Judged(each, its.expect == REFUSED, broken, change, failures))
    notes = (
        *_not_checked(verdicts, settings),
        *warnings_of_programs(settings, [budget.name(each) for each in verdicts if each.program], objects),
    )
    return Gate(tuple(rows), since, notes)


def into(results: Results, gate: Gate) -> Results:
    """results, with what the gate says of each row."""
    of = {row.verdict: row for row in gate.rows}
    rows = (
        dataclasses.replace(
            row, expected=own.expected, broken=own.broken, change=own.change, failures=own.failures
        )
        for row, own in ((row, of[row.verdict]) for row in results.rows)
    )
    gone = tuple(change for change in gate.since.changes if change.kind == GONE)
    notes = [*gate.since.notes, *([f"{baseline.FILE} {gate.trouble.what}"] if gate.trouble else [])]
    return dataclasses.replace(results, rows=tuple(rows), gone=gone, baseline="; ".join(notes))


def _unexpected(each: Verdict, its: ProgramSettings) -> Iterator[Failure]:
    """A program that was to be refused, and is not, or not for the reason that was asked for."""
    if its.expect != REFUSED:
        return
    if each.verdict == ACCEPTED:
        yield Failure(failure.ACCEPTED, 'is accepted, and was to be refused (expect = "refused")')
    elif each.verdict == REFUSED and its.code is not None:
        codes = [code for code in (code_of(each), each.errno) if code]
        if its.code not in codes:
            words = f"is refused with {' and '.join(codes) or 'no errno'}, and was to be with {its.code}"
            yield Failure(failure.OTHERWISE, words)


def _since(
    each: Verdict, its: ProgramSettings, change: Change | None, shares: BaselineSettings
) -> Iterator[Failure]:
    """What became worse than the baseline allows; a program that is to be refused may not."""
    if change is None or its.expect == REFUSED:
        return
    if change.kind == NEWLY_REFUSED:
        words = f"is newly refused: it is {change.before} in {baseline.FILE}"
        yield Failure(failure.NEWLY_REFUSED, words)
    grown: dict[str, list[Delta]] = {}
    for delta in change.changed:
        own = getattr(shares, delta.figure)
        share, setting = (shares.growth, "growth") if own is None else (own, delta.figure)
        if delta.percent > share:
            grown.setdefault(f"{share:g} % (baseline.{setting})", []).append(delta)
    for allowed, deltas in grown.items():
        yield Failure(failure.GROWTH, f"grew by more than {allowed}: {'; '.join(map(str, deltas))}")


def code_of(each: Verdict) -> str:
    """The catalogue's code of a refusal, "" where it has none."""
    from . import catalogue, verifier_log  # most verdicts need neither

    lines: Sequence[str] = ()
    if each.log is not None and Path(each.log).exists():
        lines = verifier_log.summary(verifier_log.mapped.of(Path(each.log))).messages
    entry = catalogue.match(lines or each.message.split("; "), each.errno)
    return entry.code if entry else ""


def _not_checked(verdicts: Sequence[Verdict], settings: Settings) -> Iterator[str]:
    for each in verdicts:
        if settings.of_program(budget.name(each)).expect == REFUSED:
            continue
        for figure in budget.unknown(each, settings):
            name = printable(budget.name(each))
            yield f"{name}: note: the kernel gave no {figure}: its budget was not checked"


# --- Showing it ----------------------------------------------------------------------------------------


def show(gate: Gate, results: Results, *, as_json: bool) -> None:
    """The verdicts, why programs were refused and what changed on standard output, failures and notes on
    standard error. results: of the same run."""
    if as_json:
        why = {row.verdict: row.diagnosis for row in results.rows}
        rows = [_json(row, why.get(row.verdict)) for row in gate.rows]
        print(json.dumps({"schema": verdict.SCHEMA, "results": rows}, indent=1))
    else:
        explained = refusals.explained(results.rows)
        table.print_verdicts([_noted(row, row.verdict in explained) for row in gate.rows], sys.stdout)
        refusals.show(list(explained.values()))
        if lines := change_table([each for each in gate.since.changes if each.kind != SAME]):
            print(f"\nsince {baseline.FILE}:", *lines, sep="\n")
    sys.stdout.flush()
    notes = (f"{baseline.FILE}: note: {printable(note)}" for note in gate.since.notes)
    for line in (*notes, *gate.notes, *(line for row in gate.rows for line in _failures(row))):
        say(line)
    if gate.trouble is not None:
        say(str(gate.trouble))


def _json(row: Judged, why: Diagnosis | None) -> dict[str, Any]:
    return {
        **dataclasses.asdict(row.verdict),
        "diagnosis": None if why is None else refusals.brief(why),
        "expected": row.expected,
        "broken": [dataclasses.asdict(each) for each in row.broken],
        "change": None if row.change is None else dataclasses.asdict(row.change),
        "failures": list(map(str, row.failures)),
    }


def _noted(row: Judged, explained: bool) -> Verdict:
    """The verdict as the table shows it: with what is the matter with it, and without the message of a
    refusal that is explained below."""
    shown = dataclasses.replace(row.verdict, message="") if explained else row.verdict
    return dataclasses.replace(shown, note=", ".join(filter(None, (*_in_short(row), shown.note))))


def _in_short(row: Judged) -> Iterator[str]:
    """What is the matter with a row, in a word or two: standard error has the whole."""
    if row.expected and row.verdict.verdict == REFUSED:
        yield "not as expected" if row.failures else "as expected"
        return
    words = {
        failure.ACCEPTED: "was to be refused",
        failure.NEWLY_REFUSED: "newly refused",
        failure.GROWTH: "grew",
    }
    yield from dict.fromkeys(words[each.rule] for each in row.failures if each.rule in words)
    if row.broken:
        yield "over budget: " + " and ".join(dict.fromkeys(each.figure for each in row.broken))


def summed_up(gate: Gate, page: Path) -> str:
    """The last line: how many programs there are of each verdict, and which page tells more."""
    rows = [row.verdict for row in gate.rows if row.verdict.program]
    kinds = Counter(each.verdict for each in rows)
    failing = sum(row.status != OK for row in gate.rows)
    told = ", ".join(f"{kinds[kind]} {kind}" for kind in VERDICTS if kinds[kind])
    fail = f"; {failing} {'fails' if failing == 1 else 'fail'}" if failing else ""
    return f"{counted(len(rows), 'program')}{': ' if told else ''}{told}{fail}; {page}"


def _failures(row: Judged) -> Iterator[str]:
    name = printable(budget.name(row.verdict))
    for each in row.failures:
        yield f"{name}: error: {each}"
    if row.failures and not row.expected:
        yield "  help: where that is meant: doit baseline"
    for broken in row.broken:
        yield f"{name}: error: {broken}"
    if row.broken:
        yield f"  {_what_changed(row.change)}"


def _what_changed(change: Change | None) -> str:
    if change is None:
        return "there is no baseline that tells what changed"
    if change.kind == NEW:
        return f"new since {baseline.FILE}"
    if change.before != change.after:
        return f"since {baseline.FILE}: {change.before} to {change.after}"
    return f"since {baseline.FILE}: " + ("; ".join(map(str, change.changed)) or "no change")
