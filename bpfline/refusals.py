# SPDX-License-Identifier: Apache-2.0
"""Refusals: the diagnoses below a table of verdicts, and the short form of them beside a verdict."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bpfline_loader.verdict import Verdict

from .terminal import in_colour

if TYPE_CHECKING:
    from .diagnosis import Diagnosis
    from .report.results import Result

MOST = 20  # that are shown: with more, one cause is often behind all of them
_LINES = 15  # of each


def explained(results: Iterable[Result]) -> dict[Verdict, Reason]:
    """Why programs were refused: of those refusals that were not expected, or not like this."""
    from .report.results import FAILED

    return {
        row.verdict: reason(row.diagnosis, row.verdict.log)
        for row in results
        if row.diagnosis is not None and row.verdict.verdict == "refused" and row.outcome == FAILED
    }


@dataclass(frozen=True)
class Reason:
    """A diagnosis as it is shown: text for standard output, brief for JSON."""

    text: str
    brief: dict[str, Any]


def reason(found: Diagnosis, log: str | None) -> Reason:
    """log: the file with the verifier's log, None where none was kept."""
    from .diagnosis import to_text

    width = shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else 100
    whole = f"bpfline explain {shlex.quote(log)} --full" if log else "keep the log: --log-dir DIR"
    text = to_text(found, colour=in_colour(sys.stdout), width=width, most=_LINES, whole=whole)
    return Reason(text, brief(found))


def show(reasons: Sequence[Reason]) -> None:
    """Print each in short on standard output."""
    for each in reasons[:MOST]:
        print("\n" + each.text, end="")
    if len(reasons) > MOST:
        print(f"\n{len(reasons) - MOST} more refusals: --json, or a log with bpfline explain")


def brief(found: Diagnosis) -> dict[str, Any]:
    """What stands beside a verdict; the reports have the whole."""
    place = found.place
    where = None if place is None else {"file": place.file, "line": place.line, "column": place.column}
    return {"code": found.code, "title": found.title, "place": where, "fault": found.fault}
