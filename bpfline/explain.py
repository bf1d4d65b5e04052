# SPDX-License-Identifier: Apache-2.0
"""bpfline explain: what any saved verifier log says, whoever loaded the program; and what a code means."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import diagnosis, saved_logs, verifier_log
from .catalogue import CATALOGUE
from .diagnosis import Diagnosis
from .errors import OK, USAGE, Problem
from .program_lines import ProgramLines
from .settings import near
from .terminal import in_colour, say
from .verifier_log import Wrapped
from .verifier_log import events as ev

_CODE = re.compile(r"BPF(\d{1,4})", re.IGNORECASE | re.ASCII)
# A wheel has the pages beside this module, the repository in docs/.
_PAGES = (Path(__file__).parent / "error_pages", Path(__file__).parent.parent / "docs" / "errors")
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x7f]")  # what no text has
_MESSAGE_ALONE = 5  # lines at most


@dataclass(frozen=True)
class _Explained:
    log: bytes
    diagnosis: Diagnosis


def run(what: str | None, *, object_file: Path | None, program: str | None, full: bool, as_json: bool) -> int:
    """Explain the log that what names (None and "-": standard input), or the code that it is."""
    if what is not None and (code := _CODE.fullmatch(what)) and not Path(what).exists():
        sys.stdout.write(page(f"BPF{int(code[1]):03}"))
        return OK
    where = "standard input" if what in (None, "-") else str(what)
    data = saved_logs.read(what, "bpfline explain")
    lines = saved_logs.programs(object_file) if object_file is not None else ()
    logs = verifier_log.unwrap_all(data) or [Wrapped(data, "")]
    if program is not None and any(log.program for log in logs):
        logs = [log for log in logs if log.program == program] or _no_program(program, logs, where)
    if not any(_is_log(log.log) for log in logs):
        raise Problem(
            "is no verifier log", where=where, help="give what a loader printed when a program was refused"
        )
    explained = [found for log in logs if (found := _explain(log, lines, program))]
    if not explained:
        say(f"{where}: note: tells of no refusal")
    _show(explained, full=full, as_json=as_json)
    for hint in dict.fromkeys(hint for each in explained if (hint := _hint(each.diagnosis, object_file))):
        say(f"{where}: note: {hint}")
    return OK


def page(code: str) -> str:
    """The page of a code, in Markdown."""
    for folder in _PAGES:
        path = folder / f"{code}.md"
        if path.is_file():
            return path.read_text("utf-8")
    known = [entry.code for entry in CATALOGUE]
    raise Problem(f"there is no {code}", where="bpfline explain", help=near(code, known), status=USAGE)


def _explain(log: Wrapped, lines: Sequence[ProgramLines], program: str | None) -> _Explained | None:
    name = program or log.program
    chosen = saved_logs.program_of(log.log, lines, name) if lines else None
    found = diagnosis.diagnose(log.log, chosen, program=name or "")
    return _Explained(log.log, found) if found else None


def _no_program(program: str, logs: Sequence[Wrapped], where: str) -> list[Wrapped]:
    help_ = near(program, [log.program for log in logs if log.program])
    raise Problem(f"has no log of a program '{program}'", where=where, help=help_)


def _is_log(log: bytes) -> bool:
    """Whether it has anything that the verifier prints, or is as short as a message alone."""
    events = [
        event for event in itertools.islice(verifier_log.read(log), 1000) if not isinstance(event, ev.Blank)
    ]
    others = any(not isinstance(event, ev.Message) for event in events)
    return others or (0 < len(events) <= _MESSAGE_ALONE and not _BINARY.search(log))


def _hint(found: Diagnosis, object_file: Path | None) -> str:
    """What would tell more."""
    if found.insn is None and not found.steps:
        return "the log follows no instruction: one of log level 1 or 2 tells where and how"
    if object_file is None and not (found.place and found.place.line):
        return "the log has no line numbers: --object FILE.o gives them"
    return ""


def _show(explained: Sequence[_Explained], *, full: bool, as_json: bool) -> None:
    if as_json:
        results = [diagnosis.to_json(each.diagnosis) for each in explained]
        print(json.dumps({"schema": diagnosis.SCHEMA, "results": results}, indent=1))
        return
    width = shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else 100
    for number, each in enumerate(explained):
        text = diagnosis.to_text(each.diagnosis, colour=in_colour(sys.stdout), width=width, full=full)
        print(("\n" if number else "") + text, end="")
        if full:
            print("\nthe log:\n")
            for line in each.log.decode("utf-8", "replace").splitlines():
                print(diagnosis.shown(line))
