# SPDX-License-Identifier: Apache-2.0
"""bpftool: where it is, for vmlinux.h and for objects of several sources."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from . import process
from .errors import ToolError
from .settings import Settings

_HELP = (
    "apt install bpftool (on Ubuntu 24.04: linux-tools-common linux-tools-generic), "
    "or set tool.bpfline.bpftool"
)


def run(settings: Settings, *words: str | Path) -> process.Result:
    """What bpftool says to words. ToolError where it is missing."""
    return process.run([_find(settings.bpftool), *map(str, words)])


def stamp(settings: Settings) -> tuple[str, int, int] | None:
    """bpftool as it is installed, None where it is not: another one may write other bytes."""
    path = next(_candidates(settings.bpftool), None)
    if path is None:
        return None
    status = Path(path).stat()
    return path, status.st_size, status.st_mtime_ns


def _find(name: str) -> str:
    found = list(_candidates(name))
    for path in found:
        # Ubuntu's is a script that wants the tools of the very kernel that runs.
        if len(found) == 1 or process.run([path, "version"]).returncode == 0:
            return path
    raise ToolError("is not installed", where=name, help=_HELP)


def _candidates(name: str) -> Iterator[str]:
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")  # not on every user's PATH
    if path is not None:
        yield path
    if name == "bpftool":
        newest = sorted(Path("/usr/lib/linux-tools").glob("*/bpftool"), reverse=True)
        yield from (str(each) for each in newest)
