# SPDX-License-Identifier: Apache-2.0
"""What index.html carries: logs and sources, packed, and cut where they are too long for a page."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bpfline_loader.errors import Problem

from ..program_lines import Place, ProgramLines
from ..verifier_log import Log, mapped, pieces
from ..worked import Worked

# Of a longer log the beginning and the end are shown: the end has the refusal and what led to it.
FIRST_LINES, LAST_LINES = 20_000, 100_000
# More of a line cannot be read beside a source.
_LONG = re.compile(rb"([^\n]{4000})[^\n]+")
# All packed logs together. Those after that are cut to their last lines, the worst results being first.
PACKED_BYTES = 24 << 20
LAST_LINES_WHEN_FULL = 1_000
SOURCE_BYTES = 1 << 20  # of a larger file only the lines that became instructions are shown


def packed(data: Iterable[bytes]) -> str:
    """data as text that stands in HTML as it is, and that the page unpacks (DecompressionStream)."""
    deflate = zlib.compressobj(6, zlib.DEFLATED, 16 + zlib.MAX_WBITS)  # as gzip, without a time
    return base64.b64encode(b"".join([*map(deflate.compress, data), deflate.flush()])).decode()


def packed_json(value: Any) -> str:
    return packed([json.dumps(value, separators=(",", ":")).encode()])


@dataclass(frozen=True)
class Part:
    """What the page has of a log. lines: how many the whole log has; first: how many stand before the gap;
    left_out: how many the gap has, 0 for a log that is whole. head: where the gap begins, and tail where it
    ends, in bytes."""

    lines: int
    first: int = 0
    left_out: int = 0
    head: int = 0
    tail: int = 0


def cut(log: Log, first: int, last: int) -> Part:
    """The first and the last lines. Of a file of any size only those are read line by line."""
    count = sum(piece.count(b"\n") for piece in pieces(log)) + (log[-1:] not in (b"", b"\n"))
    left_out = count - first - last
    if left_out <= 0:
        return Part(count)
    head = 0
    for _ in range(first):
        head = log.find(b"\n", head) + 1
    tail = len(log)
    for _ in range(last):
        tail = log.rfind(b"\n", 0, tail - 1) + 1
    return Part(count, first, left_out, head, tail)


def text(log: Log, part: Part) -> Iterator[bytes]:
    """What the page has of log, in pieces."""
    for start, stop in ((0, part.head), (part.tail, len(log))):
        for piece in pieces(log, start=start, stop=stop):
            yield _LONG.sub(rb"\1 ... cut", piece)


@dataclass
class Logs:
    """The logs of one report. packed: their bytes so far."""

    packed: int = 0

    def add(self, path: Path, known: Worked) -> tuple[Part, str]:
        """(what is shown of the log, packed). known: what was worked out of it before."""
        if self.packed < PACKED_BYTES:
            part, shown = known.get("log", tuple[Part, str], lambda: _shown(path, FIRST_LINES, LAST_LINES))
        else:
            part, shown = known.get("end", tuple[Part, str], lambda: _shown(path, 0, LAST_LINES_WHEN_FULL))
        self.packed += len(shown)
        return part, shown


def _shown(path: Path, first: int, last: int) -> tuple[Part, str]:
    try:
        log = mapped.of(path)
    except OSError as error:
        raise Problem(f"cannot be read: {error.strerror}", where=path) from None
    part = cut(log, first, last)
    return part, packed(text(log, part))


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
