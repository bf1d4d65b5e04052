# SPDX-License-Identifier: Apache-2.0
"""junit.xml: a program on a kernel is a test case, for GitLab, Jenkins and their like.

Refused is a failure, trouble with the machine an error, what the kernel lacks is skipped.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from . import findings
from .findings import Finding, in_repository
from .results import ERROR, FAILED, SKIPPED, Result, Results

LOG_TAIL = 64 << 10  # bytes of a log that a test case carries

# What XML 1.0 cannot hold ("Char" of its section 2.2), not even escaped; and the carriage return, which
# every parser turns into a newline.
_NOT_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(results: Results) -> bytes:
    suites = ET.Element("testsuites", {"name": "bpfline verify", **_counts(results.rows)})
    rows = sorted(results.rows, key=_class)  # groupby() wants neighbours; the order within one stays
    for name, group in groupby(rows, key=_class):
        cases = list(group)
        suite = ET.SubElement(suites, "testsuite", {"name": safe(name), **_counts(cases)})
        for row in cases:
            suite.append(_case(row, results.root))
    ET.indent(suites, " ")
    whole: bytes = ET.tostring(suites, encoding="utf-8", xml_declaration=True)
    return whole + b"\n"


def _class(row: Result) -> str:
    return f"{row.verdict.object}.{row.verdict.kernel}"


def _counts(rows: Sequence[Result]) -> dict[str, str]:
    outcomes = [row.outcome for row in rows]
    return {
        "tests": str(len(rows)),
        "failures": str(outcomes.count(FAILED)),
        "errors": str(outcomes.count(ERROR)),
        "skipped": str(outcomes.count(SKIPPED)),
        "time": _seconds(sum(row.verdict.verification_usec or 0 for row in rows)),
    }


def _case(row: Result, root: Path) -> ET.Element:
    case = ET.Element(
        "testcase",
        {
            "classname": safe(_class(row)),
            "name": safe(row.verdict.program or row.verdict.section or row.verdict.object),
            "time": _seconds(row.verdict.verification_usec or 0),
        },
    )
    if row.source is not None:
        case.set("file", safe(in_repository(row.source, root)))
    if row.place is not None and row.place.line:
        case.set("line", str(row.place.line))
    found = list(findings.of_result(row))
    if row.outcome == SKIPPED:
        ET.SubElement(case, "skipped", {"message": safe(row.verdict.message)})
    elif found:
        # GitLab reads one of them: the first has the message, the text has all.
        kind = "error" if row.outcome == ERROR else "failure"
        element = ET.SubElement(case, kind, {"message": safe(found[0].headline), "type": safe(found[0].rule)})
        element.text = safe("\n\n".join(_text(finding, root) for finding in found))
    if row.outcome in (FAILED, ERROR) and (tail := _tail(row.log)):
        ET.SubElement(case, "system-out").text = safe(tail)
    return case


def _text(finding: Finding, root: Path) -> str:
    lines = [f"{finding.rule}: {finding.title}", finding.message, finding.note]
    if place := finding.place:
        numbers = [str(number) for number in (place.line, place.column) if number]
        lines.append("at " + ":".join([in_repository(place.file, root), *numbers]))
        lines += [place.source] if place.source else []
    lines += [f"{step.place}: {step.text}" if step.place else step.text for step in finding.steps]
    lines += [finding.cause] if finding.cause else []
    lines += [f"help: {finding.help}"] if finding.help else []
    return "\n".join(line for line in lines if line)


def _tail(path: Path | None) -> str:
    """The end of a log, in whole lines where it has been cut; "" where it cannot be read any more."""
    if path is None:
        return ""
    try:
        with path.open("rb") as log:
            size = log.seek(0, 2)
            log.seek(max(0, size - LOG_TAIL))
            tail = log.read()
    except OSError:
        return ""
    if size > LOG_TAIL:
        tail = tail[tail.find(b"\n") + 1 :]
    return tail.decode("utf-8", "replace")


def _seconds(usec: int) -> str:
    return f"{usec / 1e6:.6f}"


def safe(text: str) -> str:
    """text with what XML cannot hold as \\xNN or \\uNNNN."""
    return _NOT_XML.sub(
        lambda found: f"\\x{ord(found[0]):02x}" if ord(found[0]) < 256 else f"\\u{ord(found[0]):04x}", text
    )
