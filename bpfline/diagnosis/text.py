# SPDX-License-Identifier: Apache-2.0
"""A diagnosis for people, as compilers show one.

Everything in it may come from others: what a terminal would not print is escaped.
"""

from __future__ import annotations

import itertools
import textwrap
import unicodedata
from collections.abc import Sequence

from . import words
from .model import Diagnosis, Place, Step

TAB = 4
MOST_STEPS = 6
MOST_LINES = 25
_RED, _BLUE, _CYAN, _BOLD, _END = "\x1b[1;31m", "\x1b[1;34m", "\x1b[1;36m", "\x1b[1m", "\x1b[0m"
# What is left out first where there is not room for all.
_RANKS = {"lost": 0, "acquired": 0, "check": 1, "origin": 2, "call": 3, "change": 4, "branch": 4}
_CHECKS = 2  # of those, so many come before the rest: a loop has one in each round
_FAULTS = {
    "source": "the source",
    "compiler": "the compiler, or its flags",
    "limit": "a limit of the verifier",
    "environment": "the environment: this kernel, its settings, or how the program is loaded",
}


def to_text(
    found: Diagnosis,
    *,
    colour: bool = False,
    width: int = 100,
    full: bool = False,
    most: int = MOST_LINES,
    whole: str = "--full",
) -> str:
    """The diagnosis in lines of at most width columns, with a newline at the end.

    full: all steps. most: how many lines it may have; what is left out for that are steps, the cause,
    and the verifier's own words where the catalogue has plainer ones. whole: what shows all of it.
    """
    width = max(width, 40)
    if full:
        return _page(found, width, colour, len(found.steps), True, "").text()
    for steps, all_words in ((MOST_STEPS, True), (4, True), (4, False), (3, False), (2, False), (1, False)):
        page = _page(found, width, colour, steps, all_words, whole)
        if len(page.lines) <= most:
            break
    return page.text()


def _page(found: Diagnosis, width: int, colour: bool, most_steps: int, all_words: bool, whole: str) -> _Page:
    page = _Page(width, colour, _gutter(found))
    code = f"[{found.code}]" if found.code else ""
    page.title(f"error{code}", found.title)
    page.place(found.place, found.insn, found.program)
    page.spot(found.place, found.label, marked=found.insn is not None)
    page.bar()
    # What was acquired is already marked where that is what the diagnosis is about.
    others = [step for step in found.steps if step.kind != "acquired" or step.insn != found.insn]
    left = 0
    if steps := _chosen(others, most_steps):
        left = len(others) - len(steps)
        more = f" ({words.counted(left, 'more step')})" if left else ""
        page.note("", f"how the verifier got there{more}")
        page.steps(steps, found.place)
        page.bar()
    if all_words or not found.code:
        head = "verifier" if found.code or not found.line else f"verifier, line {found.line} of the log"
        for line in found.message.split("\n")[-8:]:
            page.note(head, "" if line == found.label and found.code else line)
        page.note(*("reason", found.reason) if found.reason else ("cause", found.cause))
    page.note("help", found.help)
    explain = f" (bpfline explain {found.code})" if found.code else ""
    page.note(
        "fault", _FAULTS.get(found.fault, "not known: the catalogue does not have this message") + explain
    )
    if left or not (all_words or not found.code):
        page.note("all of it", whole)
    return page


def shown(text: str) -> str:
    """text on one line, tabs as they would look; what is not printable is escaped."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode("ascii")
        for char in text.expandtabs(TAB)
    )


def columns(text: str) -> int:
    """How many columns of a terminal text takes."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def _fitting(text: str, room: int) -> str:
    """As much of the begin of text as takes at most room columns."""
    taken = itertools.accumulate(columns(char) for char in text)
    return text[: next((at for at, width in enumerate(taken) if width > room), len(text))]


def _chosen(steps: Sequence[Step], most: int) -> Sequence[Step]:
    """The most telling of steps, in their order: of equal ones those that are nearest to the refusal."""
    if len(steps) <= most:
        return steps
    checks = [at for at, step in enumerate(steps) if step.kind == "check"]
    late = set(checks[:-_CHECKS])
    ranked = sorted(
        range(len(steps)), key=lambda at: (len(_RANKS) if at in late else _RANKS.get(steps[at].kind, 4), -at)
    )
    return [steps[at] for at in sorted(ranked[:most])]


def _gutter(found: Diagnosis) -> int:
    places = [found.place, *(step.place for step in found.steps)]
    return max(len(str(place.line)) if place and place.line else 1 for place in places)


class _Page:
    """Lines of one width, beside a gutter for line numbers."""

    def __init__(self, width: int, colour: bool, gutter: int):
        self.width, self.colour, self.gutter = width, colour, gutter
        self.lines: list[str] = []

    def text(self) -> str:
        return "\n".join(self.lines) + "\n"

    def paint(self, sequence: str, text: str) -> str:
        return f"{sequence}{text}{_END}" if self.colour and text else text

    def line(self, text: str) -> None:
        self.lines.append(text.rstrip())

    def title(self, head: str, title: str) -> None:
        first, *more = textwrap.wrap(f"{head}: {shown(title)}", self.width) or [head]
        self.line(self.paint(_RED, first[: len(head)]) + self.paint(_BOLD, first[len(head) :]))
        for rest in more:
            self.line("  " + self.paint(_BOLD, rest))

    def bar(self) -> None:
        self.line(self._margin(""))

    def _margin(self, number: str) -> str:
        return self.paint(_BLUE, f"{number:>{self.gutter}} |")

    def place(self, place: Place | None, insn: int | None, program: str) -> None:
        """`--> file:line:column (program x, instruction 6)`"""
        of = [
            f"program {shown(program)}" if program else "",
            f"instruction {insn}" if insn is not None else "",
        ]
        told = ", ".join(filter(None, of))
        arrow = self.paint(_BLUE, f"{'':{self.gutter}}--> ")
        if place is not None and place.file:
            self.line(f"{arrow}{shown(str(place))}" + (f" ({told})" if told else ""))
        elif told:
            self.line(arrow + told)

    def spot(self, place: Place | None, label: str, marked: bool) -> None:
        """The source line, and beneath its column what is wrong there; not marked: in that function."""
        if place is None or not place.source.strip():
            self.note("", label)
            return
        text, at = self._window(place)
        self.bar()
        self.line(f"{self._margin(str(place.line or ''))} {text}")
        if marked:
            self._label(at, label, _RED, "^")
        else:
            self.note("", label)

    def _window(self, place: Place) -> tuple[str, int]:
        """The line, cut to what fits around its column; and where its column is then."""
        raw = place.source.rstrip()
        if place.column and place.column <= len(raw.encode()):
            before = raw.encode()[: place.column - 1].decode(errors="replace")
        else:
            before = raw[: len(raw) - len(raw.lstrip())]
        text, start = shown(raw), len(shown(before))
        room = self.width - self.gutter - 3
        if columns(text) > room:
            left = max(0, min(start - room // 3, len(text) - room + 6))
            text = ("..." if left else "") + text[left:]
            start = start - left + (3 if left else 0)
            text = _fitting(text, room - 3) + "..."
        return text, columns(text[:start])

    def _label(self, at: int, label: str, colour: str, marker: str) -> None:
        room = self.width - self.gutter - 3
        label = shown(label)
        if at + 2 + columns(label) <= room or not label:
            self.line(f"{self._margin('')} {' ' * at}{self.paint(colour, f'{marker} {label}'.rstrip())}")
            return
        if columns(label) + 3 < at:  # it fits before the marker
            text = self.paint(colour, f"{label} {marker}")
            self.line(f"{self._margin('')} {' ' * (at - columns(label) - 1)}{text}")
            return
        indent = at + 2 if room - at > 40 else 2
        first, *more = textwrap.wrap(label, room - indent)
        if indent == 2:
            self.line(f"{self._margin('')} {' ' * at}{self.paint(colour, marker)}")
            more, first = [first, *more], ""
        else:
            self.line(f"{self._margin('')} {' ' * at}{self.paint(colour, f'{marker} {first}')}")
        for part in more:
            self.line(f"{self._margin('')} {' ' * indent}{self.paint(colour, part)}")

    def steps(self, steps: Sequence[Step], place: Place | None) -> None:
        """Steps in one line share it."""
        file = place.file if place else ""
        for where, group in itertools.groupby(steps, key=lambda step: _line(step.place)):
            together = list(group)
            first = together[0].place
            if first is not None and first.file != file and where:
                file = first.file
                self.line(f"{self.paint(_BLUE, f'{chr(32) * self.gutter}::: ')}{shown(str(first))}")
            self._group(together)

    def _group(self, steps: Sequence[Step]) -> None:
        place = steps[0].place
        if place is None or not place.source.strip():
            for step in steps:
                insn = f"instruction {step.insn}: " if step.insn is not None else ""
                self.note("", insn + step.text)
            return
        text, _ = self._window(place)
        self.line(f"{self._margin(str(place.line or ''))} {text}")
        for step in steps:
            assert step.place is not None
            self._label(self._window(step.place)[1], step.text, _CYAN, "-")

    def note(self, head: str, text: str) -> None:
        """`= help: sentences`, wrapped."""
        if not text.strip():
            return
        text = f"{head}: {shown(text)}" if head else shown(text)
        wrapped = textwrap.wrap(text, self.width - self.gutter - 3, break_on_hyphens=False) or [""]
        first = self.paint(_BOLD, wrapped[0][: len(head)]) + wrapped[0][len(head) :]
        self.line(f"{'':{self.gutter}} {self.paint(_BLUE, '=')} {first}")
        for rest in wrapped[1:]:
            self.line(f"{'':{self.gutter}}   {rest}")


def _line(place: Place | None) -> tuple[str, int, str] | None:
    return (place.file, place.line, place.source) if place else None
