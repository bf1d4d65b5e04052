# SPDX-License-Identifier: Apache-2.0
"""GitHub Actions: annotations on the lines of a pull request, and the summary of the step.

docs.github.com, "Workflow commands for GitHub Actions".
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from bpfline_loader.errors import printable

from . import findings, summary
from .findings import Finding, in_repository
from .results import SKIPPED, Results

MOST = 10  # annotations of a kind in a step: GitHub drops the others
SUMMARY_SIZE = 1 << 20  # bytes of a step's summary; GitHub refuses a longer one altogether


def commands(results: Results) -> str:
    """Workflow commands, one on each line, the worst findings first."""
    found = findings.of_results(results)
    lines = [_error(finding, results.root) for finding in found[:MOST]]
    skipped = [row for row in results.rows if row.outcome == SKIPPED]
    lines += [
        _command(
            "warning", printable(f"{row.name}: {row.verdict.message}"), title="not supported by this kernel"
        )
        for row in skipped[:MOST]
    ]
    left = len(found[MOST:]) + len(skipped[MOST:])
    lines += [_command("notice", f"{left} more are in the summary of this step")] if left else []
    return "".join(line + "\n" for line in lines)


def add_summary(results: Results, environ: Mapping[str, str]) -> None:
    """Append summary.md to the step's summary, cut where GitHub would refuse it."""
    path = environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    with Path(path).open("ab") as file:
        file.write(_cut(summary.render(results), SUMMARY_SIZE - os.fstat(file.fileno()).st_size))


def _cut(text: bytes, size: int) -> bytes:
    if len(text) <= size:
        return text
    note = b"\n</table></details>\n\nThe rest does not fit in here: see summary.md in the artifacts.\n"
    head = text[: max(0, size - len(note))]
    return head[: head.rfind(b"\n") + 1] + note if head else b""


def _error(finding: Finding, root: Path) -> str:
    where = {}
    if place := finding.place:
        where["file"] = in_repository(place.file, root)
        where |= {"line": str(place.line)} if place.line else {}
        where |= {"col": str(place.column)} if place.line and place.column else {}
    help_ = f"\nhelp: {printable(finding.help)}" if finding.help else ""
    return _command(
        "error", printable(finding.headline) + help_, **where, title=f"{finding.rule}: {finding.title}"
    )


def _command(name: str, message: str, **properties: str) -> str:
    given = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{name} {given}::{_data(message)}" if given else f"::{name}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(printable(text)).replace(":", "%3A").replace(",", "%2C")
