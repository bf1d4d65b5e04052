# SPDX-License-Identifier: Apache-2.0
"""The report that 7.3 and later write for a refusal (kernel/bpf/diagnostics.c), as data.

    Verification failed: Memory Safety: Access outside bounds
    Reason:         sentences, broken at column 100
    At:             one place
    Causal path:    places, oldest first
    Suggestion:     sentences

A place is "func @ file:line:col", a source context with its marked line and label, and an instruction
context with its marked line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .events import ReportLine

_TITLE = "Verification failed: "
_PLACE = re.compile(r"  (?:insn (\d{1,9})|(\S.*?) @ (.*):(\d{1,9}):(\d{1,9}))$", re.ASCII)
_ROW = re.compile(r"  (>>>|   ) *(\d{1,9}) \| ?(.*)$", re.ASCII)
_LABEL = re.compile(r" +\| (.*)$", re.ASCII)
_LABEL_START = re.compile(r" *\^-+ ?(?:([a-z][a-z _-]*): )?(.*)$", re.ASCII)


@dataclass(frozen=True)
class Row:
    """A line of context: its number in the file or the index of the instruction."""

    number: int
    text: str
    marked: bool


@dataclass(frozen=True)
class Place:
    """One place. kind: of the label, such as "error", "update", "branch" or "acquired".

    insn: the index of the marked instruction. A program without line_info has no function and file.
    """

    function: str = ""
    file: str | None = None
    line: int | None = None
    column: int | None = None
    insn: int | None = None
    kind: str = ""
    label: str = ""
    source: tuple[Row, ...] = ()
    instructions: tuple[Row, ...] = ()


@dataclass(frozen=True)
class Report:
    """category: "Memory Safety"; problem: "Access outside bounds". note: words beside the path.

    text: the whole, verbatim. What a log cut at either end lacks is "" or None or ().
    """

    category: str = ""
    problem: str = ""
    reason: str = ""
    at: Place | None = None
    path: tuple[Place, ...] = ()
    note: str = ""
    suggestion: str = ""
    text: str = ""


def parse(lines: Iterable[ReportLine]) -> Report:
    """Read the lines of one report."""
    lines = list(lines)
    of: dict[str, list[str]] = {"title": [], "reason": [], "at": [], "path": [], "suggestion": []}
    for line in lines:
        of[line.section].append(line.text)
    title = next((text[len(_TITLE) :] for text in of["title"] if text.startswith(_TITLE)), "")
    category, _, problem = title.partition(": ")
    at, _ = _places(of["at"][1:])
    path, note = _places(of["path"][1:])
    return Report(
        category,
        problem,
        _sentences(of["reason"][1:]),
        at[0] if at else None,
        tuple(path),
        note,
        _sentences(of["suggestion"][1:]),
        "\n".join(line.text for line in lines).strip("\n"),
    )


def _sentences(texts: list[str]) -> str:
    return " ".join(text.strip() for text in texts if text.strip())


def _places(texts: list[str]) -> tuple[list[Place], str]:
    """The places of a section, and its sentences that belong to none."""
    places: list[Place] = []
    notes: list[str] = []
    block: list[str] = []
    for text in texts:
        if _PLACE.match(text):
            if block:
                places.append(_place(block))
            block = [text]
        elif text.startswith("  ") and text[2:3].isalnum() and not text.endswith(" context:"):
            notes.append(text.strip())
        elif block:
            block.append(text)
    if block:
        places.append(_place(block))
    return places, " ".join(notes)


def _place(block: list[str]) -> Place:
    """One block, of which the first line matches _PLACE."""
    source: list[Row] = []
    instructions: list[Row] = []
    label: list[str] = []
    into = source
    for text in block[1:]:
        if text == "  Source context:":
            into = source
        elif text == "  Instruction context:":
            into = instructions
        elif found := _ROW.match(text):
            into.append(Row(int(found[2]), found[3], found[1] == ">>>"))
        elif found := _LABEL.match(text):
            label.append(found[1])
    kind, words = "", ""
    if label and (found := _LABEL_START.match(label[0])):
        kind = found[1] or ""
        words = " ".join([found[2], *(part.strip() for part in label[1:])])
    insn = next((row.number for row in instructions if row.marked), None)
    found = _PLACE.match(block[0])
    if found is None or found[2] is None:
        insn = int(found[1]) if found else insn
        return Place("", None, None, None, insn, kind, words, tuple(source), tuple(instructions))
    return Place(
        found[2],
        found[3],
        int(found[4]),
        int(found[5]),
        insn,
        kind,
        words,
        tuple(source),
        tuple(instructions),
    )
