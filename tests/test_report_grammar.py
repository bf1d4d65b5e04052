# SPDX-License-Identifier: Apache-2.0
"""The page's reading of a log (log.js) against bpfline's own (verifier_log.read), line by line.

The page reads the log itself: it needs the texts within the lines it shows, of up to 120,000 lines, and what
Python found would only be carried beside them. So that the two do not part, they are compared here.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import bpfline
from bpfline import verifier_log
from bpfline.verifier_log import events as ev
from chromium import browser
from golden_logs import logs

SCRIPT = Path(bpfline.__file__).parent / "templates" / "report" / "log.js"
_READ = """
const read = (text) => {
  const log = new Log(text, { lines: 0, first: 0, left_out: 0 });
  return Array.from(log.kinds, (kind, row) => [NAMES[kind], log.insns[row]]);
};
return arguments[0].map(read);
"""
_NAMES = ["other", "insn", "source", "state", "branch", "precision", "call", "figures", "note"]
_KINDS: dict[type, str] = {
    ev.Insn: "insn",
    ev.Source: "source",
    ev.State: "state",
    ev.FromTo: "branch",
    ev.Safe: "branch",
    ev.Precision: "precision",
    ev.Call: "call",
    ev.Return: "call",
    ev.Trailer: "figures",
    ev.Listing: "note",
    ev.Func: "note",
    ev.Scc: "note",
    ev.Relocation: "note",
}


def ours(log: bytes) -> list[tuple[str, int]]:
    """(kind, instruction or -1) of each line."""
    lines: dict[int, tuple[str, int]] = {}
    for event in verifier_log.read(log):
        if event.line not in lines:  # a state may stand behind an instruction on its line
            lines[event.line] = (_kind(event), _insn(event))
    return [lines[number] for number in sorted(lines)]


def _kind(event: ev.Event) -> str:
    if isinstance(event, ev.State) and event.label:
        return "other"  # what an endless loop was compared with is of no instruction
    return _KINDS.get(type(event), "other")


def _insn(event: ev.Event) -> int:
    if isinstance(event, ev.FromTo):
        return event.target
    if isinstance(event, ev.Precision):
        before = re.search(r" before (\d+): \(", event.text)
        return int(before[1]) if before else -1
    if isinstance(event, ev.Insn | ev.Safe | ev.State | ev.Loop):
        return -1 if event.idx is None else event.idx
    return -1


@pytest.mark.timeout(300)
def test_the_page_reads_every_line_of_every_golden_log_as_bpfline_does(tmp_path: Path) -> None:
    golden = {name: log for name, log in logs().items() if log.isascii()}
    assert len(golden) > 200
    script = f"const NAMES = {_NAMES!r};\n" + SCRIPT.read_text() + _READ
    with browser(tmp_path) as chrome:
        answers = chrome.execute_script(script, [log.decode() for log in golden.values()])  # type: ignore[no-untyped-call]
    different = [
        (name, number, text, theirs, own)
        for (name, log), found in zip(golden.items(), answers, strict=True)
        for number, (text, theirs, own) in enumerate(
            zip(log.decode().splitlines(), map(tuple, found), ours(log), strict=True), 1
        )
        if theirs != own
    ]
    assert different == []
