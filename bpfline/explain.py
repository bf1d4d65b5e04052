# SPDX-License-Identifier: Apache-2.0
"""bpfline explain: what any saved verifier log says, whoever loaded the program; and what a code means."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import catalogue, diagnosis, explain_code, saved_logs, verifier_log, watch
from .diagnosis import Diagnosis
from .errors import OK, USAGE, Problem
from .program_lines import ProgramLines
from .settings import near
from .terminal import in_colour, say
from .verifier_log import Log, Wrapped
from .verifier_log import events as ev

_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x7f]")  # what no text has
# What nobody but the verifier prints; the other kinds of lines stand in other texts, too.
_OWN = (ev.Insn, ev.FromTo, ev.Trailer, ev.BtfType)
_SAYS = re.compile(rb"\S")
_TAIL = 1 << 20  # of a text, in which messages alone are looked for


@dataclass(frozen=True)
class _Explained:
    log: Log
    diagnosis: Diagnosis


def run(what: str | None, *, object_file: Path | None, program: str | None, full: bool, as_json: bool) -> int:
    """Explain the log that what names (None and "-": standard input), or the code that it is."""
    if code := explain_code.named(what):
        _only_of_logs(code, {"--object": object_file, "--program": program, "--full": full})
        return explain_code.run(code, as_json=as_json)
    where = "standard input" if what in (None, "-") else str(what)
    data = saved_logs.read(what, "bpfline explain")
    with watch.doing(f"explain {Path(where).name}"):
        explained = _all(data, where, object_file, program)
    if not explained:
        say(f"{where}: note: tells of no refusal")
    _show(explained, full=full, as_json=as_json)
    for hint in dict.fromkeys(hint for each in explained if (hint := _hint(each.diagnosis, object_file))):
        say(f"{where}: note: {hint}")
    return OK


def _all(data: Log, where: str, object_file: Path | None, program: str | None) -> list[_Explained]:
    """What the logs in data say."""
    logs = [log for log in verifier_log.unwrap_all(data) if _SAYS.search(log.log)]
    logs = logs or [Wrapped(_bare(data, where), "")]
    lines = saved_logs.programs(object_file) if object_file is not None else ()
    if program is not None and any(log.program for log in logs):
        logs = [log for log in logs if log.program == program] or _no_program(program, logs, where)
    return [found for log in logs if (found := _explain(log, lines, program))]


def _only_of_logs(code: str, options: Mapping[str, object]) -> None:
    if given := [name for name, value in options.items() if value]:
        raise Problem(
            f"{code} is a code, which takes no {' and no '.join(given)}",
            where="bpfline explain",
            help=f"bpfline explain {code}; with {given[0]} name a log, or - for standard input",
            status=USAGE,
        )


def _bare(data: Log, where: str) -> Log:
    """A log in nobody's words; of a text with none the lines that the verifier refuses programs with."""
    if any(isinstance(event, _OWN) for event in verifier_log.read(data)):
        return data
    lines = [] if _BINARY.search(data) else [line.strip() for line in data[-_TAIL:].splitlines()]
    words = [line for line in lines if catalogue.match([line.decode("utf-8", "replace")])]
    if not words:
        raise Problem(
            "is no verifier log: it has no instruction, no figures and no message of the catalogue",
            where=where,
            help="--object takes an object; give what a loader printed when it was refused"
            if data[:4] == b"\x7fELF"
            else "give what a loader printed when a program was refused",
        )
    return b"\n".join(words) + b"\n"


def _explain(log: Wrapped, lines: Sequence[ProgramLines], program: str | None) -> _Explained | None:
    name = program or log.program
    chosen = saved_logs.program_of(log.log, lines, name) if lines else None
    found = diagnosis.diagnose(log.log, chosen, program=name or "")
    return _Explained(log.log, found) if found else None


def _no_program(program: str, logs: Sequence[Wrapped], where: str) -> list[Wrapped]:
    help_ = near(program, [log.program for log in logs if log.program])
    raise Problem(f"has no log of a program '{program}'", where=where, help=help_)


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
            for piece in verifier_log.pieces(each.log):
                for line in piece.decode("utf-8", "replace").splitlines():
                    print(diagnosis.shown(line))
