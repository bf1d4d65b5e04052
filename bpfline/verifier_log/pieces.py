# SPDX-License-Identifier: Apache-2.0
"""A log in pieces of whole lines, so that 100 MB of it need no more memory than one piece."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Protocol

from . import mapped
from .mapped import Log

SIZE = 1 << 20
_LOOKED_AT = 32  # pieces of a mapped file that may be in memory


class Readable(Protocol):
    """A binary file, as far as it is needed here: read() gives at most size bytes, b"" at the end."""

    def read(self, size: int, /) -> bytes: ...


def pieces(
    data: Log | Readable, size: int = SIZE, *, start: int = 0, stop: int | None = None
) -> Iterator[bytes]:
    """data, cut after line ends; only a line longer than size is cut within, for no log has one. start,
    stop: of a log, what is wanted of it."""
    rest = b""
    for chunk in _chunks(data, size, start, stop):
        end = chunk.rfind(b"\n") + 1
        if end:
            yield rest + chunk[:end]
            rest = chunk[end:]
        elif len(rest) < size:
            rest += chunk
        else:
            yield rest
            rest = chunk
    if rest:
        yield rest


def _chunks(data: Log | Readable, size: int, start: int, stop: int | None) -> Iterator[bytes]:
    if isinstance(data, bytes | mmap.mmap):
        end = len(data) if stop is None else stop
        for number, at in enumerate(range(start, end, size), 1):
            yield data[at : min(at + size, end)]
            if not number % _LOOKED_AT and isinstance(data, mmap.mmap):
                mapped.let_go(data)
                mapped.watcher(at, len(data))
    else:
        while chunk := data.read(size):
            yield chunk
