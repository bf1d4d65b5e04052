# SPDX-License-Identifier: Apache-2.0
"""Findings: what a build has to answer for, as SARIF, annotations and Code Quality show it."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .. import failure
from ..program_lines import Place
from .results import ERROR, Result, Results

if TYPE_CHECKING:
    from ..diagnosis import Step

# Rules for what has no code in the catalogue, and what they are called.
NOT_TRIED, REFUSED, BUDGET = "not-tried", "refused", "budget"
TITLES = {
    NOT_TRIED: "the program could not be tried",
    REFUSED: "the verifier refused the program",
    failure.ACCEPTED: "the verifier accepts a program that was to be refused",
    failure.OTHERWISE: "the verifier refuses the program for another reason than expected",
    BUDGET: "the program costs more than its budget",
    failure.GROWTH: "the program costs more than the baseline allows",
}

# Numbers of a message that change when something else in the program does: registers, instructions,
# offsets, addresses.
_NUMBER = re.compile(r"\b(?:0x[0-9a-f]+|[Rr]?-?\d+)\b|(?<==)-?\d+")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with one program on one kernel.

    rule: a code of the catalogue, or one of TITLES. message: may have several lines. place: None where no
    file is known. cause: why it is wrong. note: what is new about it, which is no part of the fault.
    """

    rule: str
    title: str
    message: str
    result: Result
    place: Place | None
    steps: tuple[Step, ...] = ()
    cause: str = ""
    help: str = ""
    note: str = ""

    @property
    def fingerprint(self) -> str:
        """The same for the same fault when lines move, registers are dealt out anew, or the kernel is
        another; 32 hex digits."""
        verdict = self.result.verdict
        file = self.place.file if self.place else ""
        parts = (self.rule, file, verdict.object, verdict.section, verdict.program, normalised(self.message))
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]

    @property
    def headline(self) -> str:
        """The program, and what is wrong with it, in one line."""
        words = "; ".join(self.message.split("\n"))
        note = f" ({self.note})" if self.note else ""
        return ": ".join(filter(None, (self.result.name, self.title, words))) + note


def normalised(message: str) -> str:
    """message without the numbers that differ from one build to the next."""
    return _NUMBER.sub("N", message)


def of_results(results: Results) -> tuple[Finding, ...]:
    """All findings, those of the worst results first."""
    return tuple(finding for row in results.worst_first for finding in of_result(row))


def of_result(row: Result) -> Iterator[Finding]:
    verdict, why = row.verdict, row.diagnosis
    if row.outcome == ERROR:
        yield _finding(NOT_TRIED, verdict.message, row)
    elif verdict.verdict == "refused" and not row.expected:
        if why is None:
            yield dataclasses.replace(_finding(REFUSED, verdict.message, row), note=_newly(row))
        else:
            rule = why.code or REFUSED
            title = why.title if why.code else TITLES[REFUSED]
            steps, cause, help_ = why.steps, why.cause, why.help
            yield Finding(rule, title, why.message, row, row.place, steps, cause, help_, _newly(row))
    if row.outcome != ERROR:
        others = (each for each in row.failures if each.rule != failure.NEWLY_REFUSED)
        yield from (_finding(each.rule, each.words, row) for each in others)
        yield from (_finding(BUDGET, str(each), row) for each in row.broken)


def _newly(row: Result) -> str:
    """That a refusal is a new one, which is no second fault."""
    return "; ".join(each.words for each in row.failures if each.rule == failure.NEWLY_REFUSED)


def _finding(rule: str, message: str, row: Result) -> Finding:
    title = TITLES[rule] if rule != NOT_TRIED or row.verdict.program else "the object could not be tried"
    return Finding(rule, title, message, row, row.place)


def in_repository(file: str, root: Path) -> str:
    """file, which is relative to root, as the tools of a forge know it: relative to the top of the git
    repository that root is in. A file outside of it stays an absolute path."""
    whole = Path(os.path.abspath(root / file))  # noqa: PTH100 - resolve() would follow links
    top = _top(Path(os.path.abspath(root)))  # noqa: PTH100
    return str(whole.relative_to(top) if whole.is_relative_to(top) else whole)


@functools.cache  # asked for every step of every finding
def _top(root: Path) -> Path:
    """The top of the git repository that root is in; root itself where there is none."""
    # .git is a folder, or in a worktree a file
    return next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)
