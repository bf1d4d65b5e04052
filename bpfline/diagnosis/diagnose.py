# SPDX-License-Identifier: Apache-2.0
"""From a log to a diagnosis."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator

from bpfline import catalogue, verifier_log
from bpfline.cost import Cost
from bpfline.cost import of as cost_of
from bpfline.program_lines import Place, ProgramLines, shown
from bpfline.verifier_log import Log, Report
from bpfline.verifier_log import events as ev
from bpfline.verifier_log import report as reports
from bpfline.verifier_log.events import Event

from . import hottest, messages, stacks
from . import path as paths
from .missing import missing
from .model import Diagnosis, Step
from .path import Path, Visit

MOST_BYTES = 64 << 20  # of a log, from its end, in which the path is looked for: 3 seconds
SOME_BYTES = 1 << 20  # where no path is wanted
MOST_STEPS = 64  # as many as the kernel's own report has at most


def diagnose(
    log: Log,
    lines: ProgramLines | None = None,
    *,
    program: str = "",
    errno: str | None = None,
    said: str = "",
    object_name: str = "",
    cost: Cost | None = None,
) -> Diagnosis | None:
    """Why the program that log tells of was refused; None where it tells of no refusal.

    log: of any kernel and any level, bare (verifier_log.unwrap). lines: the places of the program's
    instructions; without, the log's own comments have to do. errno, said: its name ("EACCES") and what
    the loader says, for where the log says nothing. object_name: in a project, for `doit cost --prog`.
    cost: of the same log, if known.
    """
    before, log = _last_log(log)
    summary = verifier_log.summary(log)
    words = _whole_lines(summary.messages, log) or ((said,) if said else ())
    entry = catalogue.match(words, errno)
    if not words and entry is None and not errno:
        return None
    # Where the program is too complex, where the verifier was at last says nothing (hottest.py).
    most = SOME_BYTES if entry and entry.code in hottest.CODES else MOST_BYTES
    start = max(0, len(log) - most)
    start = log.find(b"\n", start) + 1 if start else 0
    cut = sum(piece.count(b"\n") for piece in verifier_log.pieces(log, stop=start))
    skipped = before + cut
    seen = _Seen()
    path = paths.read(seen.watch(verifier_log.read(log, start=start)), cut=cut)
    where = _Where(path, lines)
    message = "\n".join(words)
    finding = messages.find(path, message)
    last = path.visits[-1] if path.visits else None
    insn = finding.insn if finding.insn is not None else last.idx if last else None
    lacking = missing(last.text if last else "", words, insn, seen.relocations, lines)
    decisive = _decisive(entry, words)
    steps = tuple(
        Step(where.of_visit(visit), mark.text, mark.kind, visit.idx, visit.line + skipped)
        for mark in finding.marks[-MOST_STEPS:]
        for visit in (path.visits[mark.at],)
    )
    found = Diagnosis(
        code=entry.code if entry else "",
        title=entry.title if entry else (words or (f"refused with {errno}",))[-1],
        message=message or (errno or ""),
        program=program or (lines.name if lines else ""),
        place=where.of_insn(0 if insn is None else insn),
        insn=insn,
        label=lacking or finding.label or (decisive if entry else ""),
        steps=steps,
        cause=finding.cause or (entry.cause if entry else ""),
        help=_at_least(finding.help, insn, lines) or (entry.remedy if entry else ""),
        fault=finding.fault or (entry.fault if entry else ""),
        kernel=summary.kernel,
        line=seen.lines[decisive] + skipped if decisive in seen.lines else None,
    )
    if found.code in hottest.CODES:
        found = hottest.of(found, cost or cost_of(log, lines), lines, object_name)
    if found.code in stacks.CODES:
        found = stacks.of(found, cost or cost_of(log, lines))
    return _with_report(found, summary.report, where) if summary.report else found


def _at_least(text: str, insn: int | None, lines: ProgramLines | None) -> str:
    """text, which may tell how many bytes the access at insn needs: clang reads in an order of its own, so
    others of the same line, which the verifier did not come to, may need more."""
    place = lines.at(insn) if lines and insn is not None else None
    if not text.endswith(messages.DATA_END) or not (lines and place and insn is not None):
        return text
    rest = range(insn + 1, len(lines.opcodes))
    same = (
        each for each in rest if (at := lines.at(each)) and (at.file, at.line) == (place.file, place.line)
    )
    if not any(_reads(lines.opcodes[each]) for each in same):
        return text
    return f"{text} That is the least: other reads of this line may need more."


def _reads(opcode: int) -> bool:
    """BPF_LDX | BPF_MEM, linux/bpf.h."""
    return opcode & 0xE7 == 0x61


_END = re.compile(rb"^processed \d{1,9} insns\b[^\n]*\n", re.MULTILINE)


def _last_log(text: Log) -> tuple[int, Log]:
    """(lines before it, the last log) of several in a row, each of which ends with its figures."""
    last = text.rfind(b"\nprocessed ")
    begin = text.rfind(b"\nprocessed ", max(0, last - MOST_BYTES), max(0, last)) + 1
    found = _END.match(text, begin)
    if not found or not begin:
        return 0, text
    before = sum(piece.count(b"\n") for piece in verifier_log.pieces(text, stop=found.end()))
    return before, text[found.end() :]


def _whole_lines(words: tuple[str, ...], log: Log) -> tuple[str, ...]:
    """words without the rest of a line within which the log was cut: the log begins with it, it means
    nothing, and the message follows."""
    first, *others = words or ("",)
    begins = bool(others) and log[: log.find(b"\n")].decode("utf-8", "replace").strip() == first
    if begins and catalogue.match([first]) is None and catalogue.match(others) is not None:
        return tuple(others)
    return words


def _decisive(entry: catalogue.Entry | None, words: tuple[str, ...]) -> str:
    """The line of the message that entry is about; notes of the kernel's may stand before it."""
    of_entry = (line for line in words if entry and entry.pattern.search(line))
    return next(of_entry, words[0] if words else "")


class _Seen:
    """What of a log is not on the path. lines: where a message stands, the last time that it is said.
    relocations: what it tells of CO-RE."""

    def __init__(self) -> None:
        self.lines: dict[str, int] = {}
        self.relocations: list[str] = []

    def watch(self, events: Iterable[Event]) -> Iterator[Event]:
        for event in events:
            if isinstance(event, ev.Relocation):
                self.relocations.append(event.text)
            elif isinstance(event, (ev.Message, ev.Loop)):
                self.lines[event.raw.decode("utf-8", "replace").strip()] = event.line
            yield event


class _Where:
    """Places by the object's line_info; without it by the log's comments, the file of which is a base
    name and came in 6.9."""

    def __init__(self, path: Path, lines: ProgramLines | None):
        self._path, self._lines = path, lines

    def of_visit(self, visit: Visit) -> Place | None:
        place = self._lines.at(visit.idx) if self._lines else None
        return place or _commented(visit.source)

    def of_insn(self, insn: int | None) -> Place | None:
        if insn is None:
            return None
        if self._lines and (place := self._lines.at(insn)):
            return place
        visited = (visit for visit in reversed(self._path.visits) if visit.idx == insn)
        return next((_commented(visit.source) for visit in visited), None)

    def of_report(self, place: reports.Place) -> Place | None:
        """The report has the function, the path and the column, but its lines have lost their tabs."""
        if place.insn is not None and (known := self.of_insn(place.insn)) and known.column:
            return known
        row = next((row for row in place.source if row.marked), None)
        if place.file is None or not place.line:
            return None
        column = place.column or 0
        text = _with_tabs(row.text, column) if row else ""
        return Place(shown(place.file), place.line, column, text, place.function)


def _commented(source: ev.Source | None) -> Place | None:
    return Place(source.file or "", source.lineno or 0, 0, source.text) if source else None


def _with_tabs(text: str, column: int) -> str:
    """text as it was before its tabs became eight spaces each, if column then is where a word begins."""
    body = text.lstrip(" ")
    indent = len(text) - len(body)
    if indent % 8 or not indent or not column:
        return text
    tabs = "\t" * (indent // 8) + body
    return tabs if _begins_word(tabs, column - 1) or not _begins_word(text, column - 1) else text


def _begins_word(text: str, at: int) -> bool:
    if not 0 <= at < len(text) or text[at].isspace():
        return False
    return not (text[at].isalnum() and at and text[at - 1].isalnum())


_REPORT_KINDS = {"update": "origin", "branch": "branch", "acquired": "acquired"}


def _with_report(found: Diagnosis, report: Report, where: _Where) -> Diagnosis:
    """7.3 and later work it out themselves, and know more than their log shows."""
    at = report.at
    steps = tuple(
        Step(where.of_report(place), place.label, _REPORT_KINDS.get(place.kind, "change"), place.insn)
        for place in report.path
    )
    known = catalogue.by_code(found.code) is not None
    told = dataclasses.replace(
        found,
        title=found.title
        if known
        else ": ".join(filter(None, (report.category, report.problem))) or found.title,
        steps=steps or found.steps,
        reason=report.reason,
        help=report.suggestion or found.help,
    )
    if at is None:
        return told
    if any(step.kind == "acquired" and step.insn == found.insn for step in steps):
        end = Step(where.of_report(at), at.label, "lost", at.insn)
        return dataclasses.replace(told, steps=(*steps, end))
    return dataclasses.replace(
        told,
        place=where.of_report(at) or found.place,
        insn=found.insn if at.insn is None else at.insn,
        label=at.label or found.label,
    )
