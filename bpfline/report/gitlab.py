# SPDX-License-Identifier: Apache-2.0
"""gl-code-quality.json: findings for GitLab's merge request widget.

docs.gitlab.com, "Code Quality report format": a subset of Code Climate's.
"""

from __future__ import annotations

import json
from typing import Any

from bpfline_loader.errors import printable

from .. import failure
from . import findings
from .findings import NOT_TRIED, Finding, in_repository
from .results import Results

_SEVERITY = {NOT_TRIED: "blocker", findings.BUDGET: "major", failure.GROWTH: "major"}


def render(results: Results) -> bytes:
    """One entry for each fingerprint, for GitLab keeps but one: it names every kernel."""
    found: dict[str, list[Finding]] = {}
    for finding in findings.of_results(results):
        if finding.place:
            found.setdefault(finding.fingerprint, []).append(finding)
    return (json.dumps([_entry(same, results) for same in found.values()], indent=1) + "\n").encode()


def _entry(same: list[Finding], results: Results) -> dict[str, Any]:
    first = same[0]
    assert first.place is not None
    kernels = ", ".join(dict.fromkeys(finding.result.verdict.kernel for finding in same))
    return {
        "description": printable(f"{first.headline} (on {kernels})"),
        "check_name": first.rule,
        "fingerprint": first.fingerprint,
        "severity": _SEVERITY.get(first.rule, "critical"),
        "location": {
            "path": in_repository(first.place.file, results.root)
            .encode("utf-8", "backslashreplace")
            .decode(),
            "lines": {"begin": first.place.line or 1},
        },
    }
