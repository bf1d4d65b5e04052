# SPDX-License-Identifier: Apache-2.0
"""What index.html carries: logs and sources, packed, and cut where they are too long for a page."""

from __future__ import annotations

import base64
import gzip
import json
import mmap
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from bpfline_loader.errors import Problem

from ..program_lines import Place, ProgramLines

# Of a longer log the beginning and the end are shown: the end has the refusal and what led to it.
FIRST_LINES, LAST_LINES = 20_000, 100_000
# More of a line cannot be read beside a source.
_LONG = re.compile(rb"([^\n]{4000})[^\n]+")
_PIECE = 1 << 20
# All packed logs together. Those after that are cut to their last lines, the worst results being first.
PACKED_BYTES = 24 << 20
LAST_LINES_WHEN_FULL = 1_000
SOURCE_BYTES = 1 << 20  # of a larger file only the lines that became instructions are shown


def packed(data: bytes) -> str:
    """data as text that stands in HTML as it is, and that the page unpacks (DecompressionStream)."""
    return base64.b64encode(gzip.compress(data, 6, mtime=0)).decode()


def packed_json(value: Any) -> str:
    return packed(json.dumps(value, separators=(",", ":")).encode())


@dataclass(frozen=True)
class Log:
    """A log as the page has it. lines: how many the whole log has; first: how many stand before the gap;
    left_out: how many the gap has, 0 for a log that is whole."""

    text: bytes
    lines: int
    first: int = 0
    left_out: int = 0


def cut(log: bytes | mmap.mmap, first: int, last: int) -> Log:
    """The first and the last lines. Of a file of any size only those are read line by line."""
    pieces = range(0, len(log), _PIECE)
    count = sum(log[at : at + _PIECE].count(b"\n") for at in pieces) + (log[-1:] not in (b"", b"\n"))
    left_out = count - first - last
    if left_out <= 0:
        return Log(_short(log[:]), count)
    head = 0
    for _ in range(first):
        head = log.find(b"\n", head) + 1
    tail = len(log)
    for _ in range(last):
        tail = log.rfind(b"\n", 0, tail - 1) + 1
    return Log(_short(log[:head] + log[tail:]), count, first, left_out)


def _short(text: bytes) -> bytes:
    return _LONG.sub(rb"\1 ... cut", text)


def _cut_file(file: BinaryIO, first: int, last: int) -> Log:
    if not os.fstat(file.fileno()).st_size:  # nothing that could be mapped
        return Log(b"", 0)
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as log:
        return cut(log, first, last)


@dataclass
class Logs:
    """The logs of one report. packed: their bytes so far."""

    packed: int = 0

    def add(self, path: Path) -> tuple[Log, str]:
        """(the log, packed)."""
        full = self.packed >= PACKED_BYTES
        first, last = (0, LAST_LINES_WHEN_FULL) if full else (FIRST_LINES, LAST_LINES)
        try:
            with path.open("rb") as file:
                log = _cut_file(file, first, last)
        except OSError as error:
            raise Problem(f"cannot be read: {error.strerror}", where=path) from None
        text = packed(log.text)
        self.packed += len(text)
        return log, text


@dataclass
class Sources:
    """The files that programs were made of: each once, however many programs it has.

    root: files below it are read. What else an object names is shown by the lines that its own BTF
    holds: an object may name any file, and a report is passed on.
    """

    root: Path
    names: dict[str, int] = field(default_factory=dict)
    known: dict[str, dict[int, str]] = field(default_factory=dict)

    def index(self, file: str) -> int:
        self.known.setdefault(file, {})
        return self.names.setdefault(file, len(self.names))

    def add(self, place: Place) -> int:
        index = self.index(place.file)
        if place.line and place.source:
            self.known[place.file][place.line] = place.source
        return index

    def add_all(self, lines: ProgramLines) -> list[list[int]]:
        """[instruction, file, line, column] of each place."""
        return [[insn, self.add(place), place.line, place.column] for insn, place in lines.places]

    def files(self) -> list[dict[str, Any]]:
        """What the page shows of each, in the order of their indices."""
        return [self._file(name, self.known[name]) for name in self.names]

    def _file(self, name: str, known: dict[int, str]) -> dict[str, Any]:
        text, note = self._read(name)
        if text is not None:
            lines = text.split("\n")
            if all(n <= len(lines) and lines[n - 1].strip() == said.strip() for n, said in known.items()):
                return {"name": name, "text": lines}
            note = "the file is not what was compiled any more: these are the lines that were"
        return {"name": name, "known": sorted(known.items()), "note": note}

    def _read(self, name: str) -> tuple[str | None, str]:
        some = "these are the lines that became instructions"
        try:
            path = (self.root / name).resolve()
            if not path.is_relative_to(self.root.resolve()) or not path.is_file():
                return None, some
            if path.stat().st_size > SOURCE_BYTES:
                return None, f"the file is long: {some}"
            return path.read_text("utf-8", "replace").removesuffix("\n"), ""
        except (OSError, ValueError):  # ValueError: a name that holds a NUL
            return None, some
