# SPDX-License-Identifier: Apache-2.0
"""Logs that somebody saved, and the object that such a log is of: what explain and cost begin with."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from . import elf, program_lines, spec, verifier_log
from .errors import USAGE, Problem
from .program_lines import ProgramLines
from .settings import ObjectSettings, near
from .terminal import say
from .verifier_log import Log

_ALIKE = 0.9  # of the log's instructions are the object's; CO-RE and old kernels make some into others


def read(what: str | None, command: str) -> Log:
    """The file that what names; standard input for None and "-"."""
    if what in (None, "-"):
        if sys.stdin.isatty():
            raise Problem(
                "wants a log",
                where=command,
                help=f"{command} FILE, or - for a pipe",
                status=USAGE,
            )
        return verifier_log.mapped.of_file(sys.stdin.buffer)
    path = Path(str(what))
    if path.is_dir():
        raise Problem("is a folder", where=path, help="name a log in it", status=USAGE)
    try:
        return verifier_log.mapped.of(path)
    except OSError as error:
        raise Problem(f"cannot be read: {error.strerror}", where=path) from None


def programs(path: Path) -> tuple[ProgramLines, ...]:
    """The places of each program of an object."""
    made = spec.spec(
        elf.read(path, elf.parse_fast),
        name=path.stem,
        source=str(path),
        settings=ObjectSettings(type="socket_filter"),  # of programs whose section does not say it
        clang=None,
        mcpu=None,
    )
    return tuple(program_lines.of(each, made.bundle) for each in made.bundle.programs)


def program_of(log: Log, lines: Sequence[ProgramLines], name: str | None) -> ProgramLines | None:
    """The program that the log is of; None, which is said, where it is of none of them, or of several."""
    seen = verifier_log.count(log).opcodes
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


def _alike(lines: ProgramLines, seen: dict[int, int]) -> float:
    """How much of the instructions in a log are a program's, from 0 to 1."""
    same = sum(idx < len(lines.opcodes) and lines.opcodes[idx] == code for idx, code in seen.items())
    return same / len(seen)


def _names(lines: Sequence[ProgramLines]) -> list[str]:
    return [each.name for each in lines]
