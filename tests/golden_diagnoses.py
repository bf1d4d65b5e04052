# SPDX-License-Identifier: Apache-2.0
"""What bpfline says of the refused programs of tests/data/verifier-logs, kept in tests/data/diagnoses.txt.

Logs that give the same words stand together. Run as a program it writes the file anew: read the
difference before you commit it. t.lines.json holds the places of t.bpf.c's instructions, as clang 14 with
-mcpu=v3 put them into its object: another clang puts other instructions.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from bpfline import verifier_log
from bpfline.diagnosis import diagnose, to_text
from bpfline.program_lines import Place, ProgramLines
from golden_logs import DATA, FIXTURES, OF_LOADERS, Log

EXPECTED = Path(__file__).with_name("data") / "diagnoses.txt"
LINES = DATA / "t.lines.json"
_HEAD = """\
The diagnoses of the logs in verifier-logs/, by program: with its object ("o") or without; then of the logs
inside the words of loaders. Written by
`python tests/golden_diagnoses.py`, read critically, and compared by tests/test_diagnosis.py.
"""


@cache
def lines_of(program: str) -> ProgramLines:
    rows = json.loads(LINES.read_text())[program]
    places = tuple((insn, Place(*place)) for insn, *place in rows["places"])
    functions = tuple((insn, name) for insn, name in rows["functions"])
    return ProgramLines(program, bytes.fromhex(rows["opcodes"]), places, functions)


def text(log: Log, with_object: bool) -> str:
    found = diagnose(log.data, lines_of(log.program) if with_object else None, program=log.program)
    assert found is not None
    return to_text(found)


def whole() -> str:
    """The file."""
    said: dict[str, list[str]] = {}
    refused = sorted((log for log in FIXTURES if log.errno), key=lambda log: (log.program, log.level))
    for log in refused:
        for with_object in (True, False):
            name = f"{log.program} at level {log.level} of {log.kernel}" + (" o" if with_object else "")
            said.setdefault(text(log, with_object), []).append(name)
    for name, data in OF_LOADERS.items():
        log = verifier_log.unwrap_all(data)[-1]
        found = diagnose(log.log, program=log.program or "")
        assert found is not None
        said.setdefault(to_text(found), []).append(name)
    blocks = ["".join(f"# {name}\n" for name in names) + words for words, names in said.items()]
    return "\n".join([_HEAD, *blocks])


if __name__ == "__main__":
    EXPECTED.write_text(whole())
