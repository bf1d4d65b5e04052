# SPDX-License-Identifier: Apache-2.0
"""Attachment of uprobes and uretprobes: one perf event of the uprobe PMU (Linux 4.17)."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from .. import bpf, elf_symbols, hints, perf
from ..bundle import Program
from ..errors import Problem
from ..privileges import raised
from ..syscalls import errno_name
from ..tracefs import Tracefs
from . import perf_link
from .attachment import Attachment, refused

TARGET = "/usr/bin/bash:readline"
SECTIONS = frozenset(("uprobe", "uprobe.s", "uretprobe", "uretprobe.s"))
_PMU = Path("/sys/bus/event_source/devices/uprobe")
_MEANINGS = {
    "EILSEQ": "at that offset is no instruction's first byte",
    "EINVAL": "the kernel takes no uprobe at that offset, or none in files of this file system",
    "EOPNOTSUPP": "the kernel cannot single-step the instruction at that offset",
    "ENOTSUPP": "the kernel cannot single-step the instruction at that offset",
}


@dataclass(frozen=True)
class Place:
    """Where in which file; words: as a person would say it."""

    path: str
    offset: int
    words: str


def attach(program: Program, fd: int, tracefs: Tracefs) -> Attachment:
    """Run the program whenever any process gets to its function ("/usr/bin/bash:readline",
    "libc.so.6:malloc+4"), or for a uretprobe when it returns."""
    assert program.attach is not None
    returns = program.section.startswith("uretprobe")
    where = place(program.attach, returns)
    with raised():
        try:
            event = _event(where, returns)
            fds = perf_link.bind(event, fd)
        except OSError as error:
            meaning = _MEANINGS.get(errno_name(error.errno or 0), "")
            raise refused(where.words, error, hints.PERF, meaning) from None
    return Attachment(f"{'uretprobe' if returns else 'uprobe'} {where.words}", fds)


def place(words: str, returns: bool) -> Place:
    """The file and the offset in it that words ("PATH:FUNCTION+OFFSET") mean, as libbpf finds them."""
    path, colon, function = words.partition(":")
    if not (path and colon and function):
        raise Problem(
            "does not say what to probe",
            where=words,
            help='PATH:FUNCTION, as SEC("uprobe//bin/bash:readline")',
        )
    added = re.search(r"\+(0[xX][0-9a-fA-F]+|\d+)$", function)
    extra = int(added[1], 0 if added[1][:2] in ("0x", "0X") else 10) if added else 0
    if added:
        function = function[: added.start()]
    if returns and extra:
        raise Problem("a uretprobe has no offset", where=words, help="it runs when the function returns")
    file = found(path)
    return Place(
        file, elf_symbols.offset(file, function) + extra, f"{file}:{function}" + (added[0] if added else "")
    )


def found(path: str) -> str:
    """path, or where a bare name is: a library ("libc.so.6") in $LD_LIBRARY_PATH and the system's folders, a
    program ("bash") on $PATH."""
    if "/" in path:
        return path
    if path.endswith(".so") or ".so." in path:
        usual, variable, mode = (
            f"/usr/lib64:/usr/lib:/lib/{os.uname().machine}-linux-gnu",
            "LD_LIBRARY_PATH",
            os.R_OK,
        )
    else:
        usual, variable, mode = "/usr/bin:/usr/sbin", "PATH", os.R_OK | os.X_OK
    folders = f"{os.environ.get(variable, '')}:{usual}"
    file = shutil.which(path, mode=mode, path=folders.strip(":"))
    if file is None:
        raise Problem("is not found", where=path, help=f"in {folders.strip(':')}; name it with its path")
    return file


def _event(where: Place, returns: bool) -> int:
    """The event of every process: a probe belongs to its file (pid -1), and as with tracepoints one
    processor's event makes it run on all."""
    try:
        kind = int((_PMU / "type").read_text())
        bit = int((_PMU / "format" / "retprobe").read_text().partition(":")[2])
    except (OSError, ValueError):
        raise Problem(
            "this kernel has no uprobes as perf events",
            where=where.words,
            help="CONFIG_UPROBE_EVENTS, Linux 4.17 or later",
        ) from None
    path = os.fsencode(where.path) + b"\0"
    return perf.open_event(
        kind,
        returns << bit,
        cpu=perf.first_online_cpu(),
        config1=bpf.address(path),  # uprobe_path
        config2=where.offset,  # probe_offset
    )
