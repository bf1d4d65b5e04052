# SPDX-License-Identifier: Apache-2.0
"""verdicts.sarif: SARIF 2.1.0, for GitHub code scanning and editors; one run for each kernel.

What GitHub takes of it: docs.github.com, "SARIF support for code scanning".
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bpfline_loader.errors import printable

from .. import __version__
from ..program_lines import Place
from . import findings
from .findings import NOT_TRIED, Finding, in_repository
from .results import SKIPPED, Results

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

# GitHub refuses a file that goes beyond these.
MOST_RUNS = 20
MOST_RESULTS = 25_000  # in a run
MOST_STEPS = 10_000  # in a code flow

# The name of the only fingerprint that GitHub reads; it makes one of its own where there is none.
_FINGERPRINT = "primaryLocationLineHash"


def render(results: Results) -> bytes:
    return (json.dumps(to_json(results), indent=1) + "\n").encode()


def to_json(results: Results) -> dict[str, Any]:
    kernels = results.kernels
    # With more kernels than runs, the last run has the rest: their verdicts say which is which.
    groups: list[tuple[str, ...]] = [(kernel,) for kernel in kernels[: MOST_RUNS - 1]]
    groups += [kernels[MOST_RUNS - 1 :]] if kernels[MOST_RUNS - 1 :] else []
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [_run(results, group) for group in groups]}


def _run(results: Results, kernels: Sequence[str]) -> dict[str, Any]:
    rows = [row for row in results.worst_first if row.verdict.kernel in kernels]
    every = [finding for row in rows for finding in findings.of_result(row)]
    untried = [finding for finding in every if finding.rule == NOT_TRIED]
    faults = [finding for finding in every if finding.rule != NOT_TRIED]
    placed = [finding for finding in faults if finding.place]
    found = placed[:MOST_RESULTS]
    left_out = [finding for finding in faults if not finding.place] + placed[MOST_RESULTS:]
    rules = list(dict.fromkeys(finding.rule for finding in found))
    notes = [_note("error", finding.headline) for finding in untried]
    notes += [_note("note", f"{row.name}: {row.verdict.message}") for row in rows if row.outcome == SKIPPED]
    notes += [_note("warning", finding.headline) for finding in left_out]
    return {
        "tool": {
            "driver": {
                "name": "bpfline",
                "semanticVersion": __version__,
                "rules": [_rule(rule) for rule in rules],
            }
        },
        # The part before the last "/" is what GitHub calls the category.
        "automationDetails": {"id": printable("verify/" + "+".join(kernels) + "/")},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": not untried, "toolExecutionNotifications": notes}],
        "results": [_result(finding, rules.index(finding.rule), results.root) for finding in found],
    }


def _rule(rule: str) -> dict[str, Any]:
    """A rule as the catalogue has it, or as findings.TITLES."""
    from .. import catalogue  # 60 patterns: most runs find nothing

    entry = catalogue.by_code(rule)
    described: dict[str, Any] = {
        "id": rule,
        "shortDescription": _message(entry.title if entry else findings.TITLES[rule]),
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["bpf", "verifier", *([entry.fault] if entry else [])]},
    }
    if entry:
        described |= {"fullDescription": _message(entry.cause), "help": _message(entry.remedy)}
    return described


def _result(finding: Finding, index: int, root: Path) -> dict[str, Any]:
    verdict = finding.result.verdict
    assert finding.place is not None  # _run() leaves out the others
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": "error",
        "message": _message(finding.headline),
        "locations": [
            _location(finding.place, root)
            | {"logicalLocations": [{"name": printable(verdict.program), "kind": "function"}]}
        ],
        "partialFingerprints": {_FINGERPRINT: finding.fingerprint},
        "properties": {
            "program": printable(finding.result.name),
            "kernel": printable(verdict.kernel),
            "errno": verdict.errno,
        },
    }
    if finding.steps:
        result["codeFlows"] = [{"threadFlows": [{"locations": _flow(finding, root)}]}]
    return result


def _flow(finding: Finding, root: Path) -> list[dict[str, Any]]:
    """The steps; one that is nowhere in particular stands where the step before it does."""
    steps, place = [], finding.place
    for step in finding.steps[-MOST_STEPS:]:
        place = step.place or place
        assert place is not None
        steps.append({"location": _location(place, root) | {"message": _message(step.text)}})
    return steps


def _location(place: Place, root: Path) -> dict[str, Any]:
    file = in_repository(place.file, root)
    if Path(file).is_absolute():
        artifact = {"uri": "file://" + _uri(file)}
    else:
        artifact = {"uri": _uri(file), "uriBaseId": "%SRCROOT%"}
    physical: dict[str, Any] = {"artifactLocation": artifact}
    if place.line:
        region: dict[str, Any] = {"startLine": place.line}
        if place.column:
            region["startColumn"] = _column(place)
        if place.source:
            region["snippet"] = {"text": printable(place.source.replace("\t", " "))}
        physical["region"] = region
    return {"physicalLocation": physical}


def _column(place: Place) -> int:
    """clang counts bytes, SARIF is told code points."""
    before = place.source.encode("utf-8", "surrogatepass")[: place.column - 1]
    return len(before.decode("utf-8", "replace")) + 1 if len(before) == place.column - 1 else place.column


def _note(level: str, text: str) -> dict[str, Any]:
    return {"level": level, "message": _message(text)}


def _message(text: str) -> dict[str, str]:
    """Braces would be placeholders (section 3.11.5), and "[x](y)" a link (3.11.6)."""
    escaped = printable(text).replace("](", "] (")
    return {"text": escaped.replace("{", "{{").replace("}", "}}")}


def _uri(file: str) -> str:
    return quote(file, errors="surrogateescape")
