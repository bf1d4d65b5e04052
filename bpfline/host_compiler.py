# SPDX-License-Identifier: Apache-2.0
"""The host's C compiler, which makes a program of a rendered loader.c. A build can do without one."""

from __future__ import annotations

import os
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

from . import process
from .errors import SettingsError, ToolError

MISSING = "no C compiler with libc's headers was found for the host"
REMEDY = "apt install gcc libc6-dev, or set CC"

_CANDIDATES = ("gcc", "clang", "cc")

# What loader.c needs: libc's headers, which clang alone does not bring, and the kernel's.
_HEADERS = ("stdio.h", "linux/perf_event.h", "asm/types.h")


@dataclass(frozen=True)
class HostCompiler:
    """A compiler that finds libc's headers. argv: how to call it; version: its --version's first line."""

    argv: tuple[str, ...]
    version: str


def find() -> HostCompiler | None:
    """The compiler that $CC names, else the first of gcc, clang and cc that works; None without one.

    A $CC that does not work is the user's mistake: SettingsError.
    """
    named = os.environ.get("CC", "").strip()
    if not named:
        return next(filter(None, (_try((name,)) for name in _CANDIDATES)), None)
    try:
        compiler = _try(tuple(shlex.split(named)))
    except ValueError as error:
        raise SettingsError(f"cannot be split into words: {error}", where=f"CC={named}") from None
    if compiler is None:
        raise SettingsError(
            "is not a C compiler that finds libc's headers", where=f"CC={named}", help="unset CC"
        )
    return compiler


def missing_headers() -> list[Path]:
    """Where the headers will be that nobody has now: what makes a build look for a compiler again."""
    return [path for header in _HEADERS if not (path := Path("/usr/include", header)).exists()]


def _try(argv: tuple[str, ...]) -> HostCompiler | None:
    if not argv or shutil.which(argv[0]) is None:
        return None
    includes = [word for header in _HEADERS for word in ("-include", header)]
    if process.run([*argv, "-E", *includes, "-x", "c", "/dev/null"]).returncode:
        return None
    version = process.run([*argv, "--version"]).stdout.decode(errors="replace").partition("\n")[0]
    return HostCompiler(argv, version)


def compile(compiler: HostCompiler, source: Path, into: Path) -> str:  # noqa: A001
    """Make the program into of source. Returns the compiler's words, "" when it had no warning.

    The program is there whole or not at all; what stood there before stays when this fails, which is
    a ToolError with the compiler's first complaint.
    """
    temporary = into.with_name(f".{into.name}.{os.getpid()}.tmp")
    into.parent.mkdir(parents=True, exist_ok=True)
    # Absolute paths, for a name may begin with a dash.
    argv = [
        *compiler.argv,
        "-O2",
        "-Wall",
        "-Wextra",
        "-o",
        str(temporary.absolute()),
        str(source.absolute()),
    ]
    try:
        result = process.run(argv)
        words = result.stderr.decode(errors="replace")
        if result.returncode:
            raise ToolError(_complaint(words), where=source, help=result.ended)
        temporary.rename(into)
    except OSError as error:
        raise ToolError(f"cannot be written: {error.strerror}", where=into) from None
    finally:
        temporary.unlink(missing_ok=True)
    return words


def _complaint(words: str) -> str:
    lines = words.splitlines() or ["the host's compiler failed without a word"]
    return next((line for line in lines if "error:" in line), lines[-1])
