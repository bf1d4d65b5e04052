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

from . import diagnosis, elf, program_lines, spec, verifier_log
from .catalogue import CATALOGUE
from .diagnosis import Diagnosis
from .errors import OK, USAGE, Problem
from .program_lines import ProgramLines
from .settings import ObjectSettings, near
from .terminal import in_colour, say
from .verifier_log import Wrapped
from .verifier_log import events as ev

_CODE = re.compile(r"BPF(\d{1,4})", re.IGNORECASE | re.ASCII)
# A wheel has the pages beside this module, the repository in docs/.
_PAGES = (Path(__file__).parent / "error_pages", Path(__file__).parent.parent / "docs" / "errors")
_MESSAGE_ALONE = 5  # lines at most
_ALIKE = 0.9  # of the log's instructions are the object's; CO-RE and old kernels make some into others


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
    data = _read(what)
    lines = _lines(object_file) if object_file is not None else ()
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
    return OK


def page(code: str) -> str:
    """The page of a code, in Markdown."""
    for folder in _PAGES:
        path = folder / f"{code}.md"
        if path.is_file():
            return path.read_text("utf-8")
    known = [entry.code for entry in CATALOGUE]
    raise Problem(f"there is no {code}", where="bpfline explain", help=near(code, known), status=USAGE)


def _read(what: str | None) -> bytes:
    if what in (None, "-"):
        if sys.stdin.isatty():
            raise Problem(
                "wants a log",
                where="bpfline explain",
                help="bpfline explain FILE, or - for a pipe",
                status=USAGE,
            )
        return sys.stdin.buffer.read()
    path = Path(str(what))
    if path.is_dir():
        raise Problem("is a folder", where=path, help="name a log in it", status=USAGE)
    try:
        return path.read_bytes()
    except OSError as error:
        raise Problem(f"cannot be read: {error.strerror}", where=path) from None


def _lines(path: Path) -> tuple[ProgramLines, ...]:
    """The places of each program of an object."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Problem(f"cannot be read: {error.strerror}", where=path) from None
    made = spec.spec(
        elf.parse_fast(data, path),
        name=path.stem,
        source=str(path),
        settings=ObjectSettings(type="socket_filter"),  # of programs whose section does not say it
        clang=None,
        mcpu=None,
    )
    return tuple(program_lines.of(each, made.bundle) for each in made.bundle.programs)


def _explain(log: Wrapped, lines: Sequence[ProgramLines], program: str | None) -> _Explained | None:
    name = program or log.program
    chosen = _of_log(log.log, lines, name) if lines else None
    found = diagnosis.diagnose(log.log, chosen, program=name or "")
    return _Explained(log.log, found) if found else None


def _of_log(log: bytes, lines: Sequence[ProgramLines], name: str | None) -> ProgramLines | None:
    """The program that the log is of; None, which is said, where it is of none of them, or of several."""
    seen = {event.idx: event.opcode for event in verifier_log.read(log) if isinstance(event, ev.Insn)}
    named = [each for each in lines if name in (None, each.name)]
    if not named:
        raise Problem(
            f"there is no program '{name}' in the object",
            where="--program",
            help=near(name or "", _names(lines)),
        )
    if not seen:
        return named[0] if len(named) == 1 else None
    alike = [each for each in named if _alike(each, seen) >= _ALIKE]
    if len(alike) > 1:
        best = max(_alike(each, seen) for each in alike)
        alike = [each for each in alike if _alike(each, seen) == best]
    if len(alike) == 1:
        return alike[0]
    if alike:
        say(f"--object: note: the log may be of {' or '.join(_names(alike))}\n  help: --program NAME")
    else:
        say("--object: note: the log is not of this object: its own lines are shown")
    return None


def _alike(lines: ProgramLines, seen: dict[int, int | None]) -> float:
    """How much of the instructions in a log are a program's, from 0 to 1."""
    same = sum(idx < len(lines.opcodes) and lines.opcodes[idx] == code for idx, code in seen.items())
    return same / len(seen)


def _names(lines: Sequence[ProgramLines]) -> list[str]:
    return [each.name for each in lines]


def _no_program(program: str, logs: Sequence[Wrapped], where: str) -> list[Wrapped]:
    help_ = near(program, [log.program for log in logs if log.program])
    raise Problem(f"has no log of a program '{program}'", where=where, help=help_)


def _is_log(log: bytes) -> bool:
    """Whether it has anything that the verifier prints, or is as short as a message alone."""
    events = [
        event for event in itertools.islice(verifier_log.read(log), 1000) if not isinstance(event, ev.Blank)
    ]
    others = any(not isinstance(event, ev.Message) for event in events)
    return others or (0 < len(events) <= _MESSAGE_ALONE and b"\0" not in log)


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
