# SPDX-License-Identifier: Apache-2.0
"""A log of any size as bytes that are in memory only while somebody looks at them: a file, mapped."""

from __future__ import annotations

import mmap
import os
import stat
import tempfile
from collections.abc import Callable, Iterable
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO, TypeAlias

Log: TypeAlias = bytes | mmap.mmap
"""What both can: len(), slices, find(), rfind(), and being searched by a compiled pattern."""

IN_MEMORY = 16 << 20  # bytes of a log that is no file; a longer one goes to a temporary file
_CHUNK = 1 << 20

# Is told how many of a mapped file's bytes were read, and how many there are.
watcher: Callable[[int, int], object] = lambda done, size: None  # noqa: E731


def of(path: Path) -> Log:
    """The log in a file; OSError where it cannot be read. It must not be cut short meanwhile (SIGBUS): the
    files that we write ourselves are replaced, and a loader's output only grows."""
    with path.open("rb") as file:
        return of_file(file)


def of_file(file: BinaryIO) -> Log:
    """The log in an open file; a pipe, which cannot be mapped, is read to its end."""
    status = os.fstat(file.fileno())
    if stat.S_ISREG(status.st_mode) and status.st_size and not file.tell():
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return spooled(takewhile(bool, iter(lambda: file.read(_CHUNK), None)))


def spooled(chunks: Iterable[bytes]) -> Log:
    """What comes in chunks, as one log."""
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as file:
        for chunk in chunks:
            file.write(chunk)
        if file.tell() <= IN_MEMORY:
            file.seek(0)
            return file.read()
        file.flush()
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def let_go(log: mmap.mmap) -> None:
    """Give back the memory of what was looked at; it is read again where it is looked at again."""
    log.madvise(mmap.MADV_DONTNEED)
