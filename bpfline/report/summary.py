# SPDX-License-Identifier: Apache-2.0
"""summary.md: the results for people, in Markdown that GitHub and GitLab show alike."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from bpfline_loader.errors import printable

from . import findings
from .findings import Finding
from .results import ERROR, FAILED, PASSED, SKIPPED, Result, Results

if TYPE_CHECKING:
    from ..compare import Change

_WORDS = {ERROR: "could not be tried", FAILED: "failed", SKIPPED: "not supported", PASSED: "passed"}
_HEAD = ("program", "kernel", "verdict", "insns", "states", "stack", "jited", "change")
_NUMBERS = ("insns", "states", "stack", "jited")

# What Markdown would take for markup; as an entity it is text everywhere, in a table too.
_MARKUP = re.compile(r"[\\`*_\[\]|~@]")


def render(results: Results) -> bytes:
    blocks = ["# Verifier", _headline(results)]
    blocks += [text(results.baseline)] if results.baseline else []
    blocks += [
        f"gone since the baseline: {text(change.name)} on {text(change.kernel)}" for change in results.gone
    ]
    blocks += [_finding(finding) for finding in findings.of_results(results)]
    if results.rows:
        rows = [_cells(row) for row in results.worst_first]
        rule = [("---:" if name in _NUMBERS else "---") for name in _HEAD]
        blocks.append("\n".join("| " + " | ".join(cells) + " |" for cells in (_HEAD, rule, *rows)))
    return ("\n\n".join(blocks) + "\n").encode("utf-8", "backslashreplace")


def _headline(results: Results) -> str:
    outcomes = [row.outcome for row in results.rows if row.verdict.program]
    objects = len(results.rows) - len(outcomes)  # of which no program is known
    counted = [f"{outcomes.count(each)} {_WORDS[each]}" for each in _WORDS if each in outcomes]
    kernels = ", ".join(map(text, results.kernels))
    said = [f"{_counted(len(outcomes), 'program')} on {kernels}: {', '.join(counted)}."] if outcomes else []
    said += [f"{_counted(objects, 'object')} could not be tried."] if objects else []
    return " ".join(said) or "There are no programs."


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _finding(finding: Finding) -> str:
    row = finding.result
    lines = [f"### {text(row.name)}: {text(finding.title)}"]
    where = f"{text(str(finding.place))}, " if finding.place else ""
    lines.append(f"{where}{text(finding.rule)}, on {text(row.verdict.kernel)}")
    told = finding.message.split("\n")
    if finding.place and finding.place.source:
        told.append(finding.place.source.strip())
    told += [f"{step.place}: {step.text}" if step.place else step.text for step in finding.steps]
    lines.append(
        "<pre>\n" + "\n".join(html.escape(printable(line), quote=False) for line in told if line) + "\n</pre>"
    )
    lines += [text(finding.cause)] if finding.cause else []
    lines += [f"help: {text(finding.help)}"] if finding.help else []
    return "\n\n".join(lines)


def _cells(row: Result) -> tuple[str, ...]:
    verdict = row.verdict
    figures = (verdict.processed_insns, verdict.total_states, verdict.stack_depth, verdict.jited_bytes)
    said = verdict.verdict if row.outcome != FAILED or not row.expected else f"{verdict.verdict} (unexpected)"
    return (
        text(row.name),
        text(verdict.kernel),
        f"**{said}**" if row.outcome in (FAILED, ERROR) else said,
        *("-" if figure is None else str(figure) for figure in figures),
        "" if row.change is None else text(_changed(row.change)),
    )


def _changed(change: Change) -> str:
    figures = ", ".join(map(str, change.changed))
    return figures or ("" if change.kind == "same" else change.kind)


def text(words: str) -> str:
    """words as text on one line, whatever they hold."""
    return _MARKUP.sub(lambda found: f"&#{ord(found[0])};", html.escape(printable(words), quote=False))
