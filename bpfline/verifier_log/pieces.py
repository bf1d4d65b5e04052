# SPDX-License-Identifier: Apache-2.0
"""A log in pieces of whole lines, so that 100 MB of it need no more memory than one piece."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

SIZE = 1 << 20


class Readable(Protocol):
    """A binary file, as far as it is needed here: read() gives at most size bytes, b"" at the end."""

    def read(self, size: int, /) -> bytes: ...


def pieces(data: bytes | Readable, size: int = SIZE) -> Iterator[bytes]:
    """data, cut after line ends; only a line longer than size is cut within, for no log has one."""
    rest = b""
    for chunk in _chunks(data, size):
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


def _chunks(data: bytes | Readable, size: int) -> Iterator[bytes]:
    if isinstance(data, bytes):
        for start in range(0, len(data), size):
            yield data[start : start + size]
    else:
        while chunk := data.read(size):
            yield chunk
