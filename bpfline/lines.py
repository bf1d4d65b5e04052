# SPDX-License-Identifier: Apache-2.0
"""Source lines of instructions, from .BTF.ext (Documentation/bpf/btf.rst, ".BTF.ext section").

DWARF has them too, but takes seconds to read where vmlinux.h was included.
"""

from __future__ import annotations

import os
import struct
from bisect import bisect_right
from dataclasses import dataclass

from .elf import ObjectFile

_MAGIC = 0xEB9F  # linux/btf.h


@dataclass(frozen=True)
class Line:
    """One record of line_info: from offset (bytes into the section) on, this is the source."""

    offset: int
    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.column else f"{self.file}:{self.line}"


def read(object_file: ObjectFile) -> dict[str, list[Line]]:
    """The lines of each section by its name, in the order of their offsets.

    Empty where there is no line information, or none that can be read: without it an object loads
    as well, and messages name the function instead.
    """
    ext, btf = object_file.by_name.get(".BTF.ext"), object_file.by_name.get(".BTF")
    if ext is None or btf is None:
        return {}
    order = "<" if object_file.byteorder == "little" else ">"
    try:
        return _sections(ext.data, _strings(btf.data, order), order)
    except (struct.error, IndexError, ValueError):
        return {}


def at(lines: list[Line], offset: int) -> Line | None:
    """The record that the instruction at offset belongs to."""
    index = bisect_right(lines, offset, key=lambda line: line.offset)
    return lines[index - 1] if index else None


def _strings(btf: bytes, order: str) -> bytes:
    magic, _version, _flags, header, _types, _type_len, start, length = struct.unpack_from(
        order + "HBBIIIII", btf
    )
    if magic != _MAGIC:
        raise ValueError("not BTF")
    return btf[header + start : header + start + length]


def _string(strings: bytes, offset: int) -> str:
    return strings[offset : strings.index(b"\0", offset)].decode(errors="replace")


def _sections(ext: bytes, strings: bytes, order: str) -> dict[str, list[Line]]:
    magic, _v, _f, header, _func, _func_len, start, length = struct.unpack_from(order + "HBBIIIII", ext)
    if magic != _MAGIC:
        raise ValueError("not .BTF.ext")
    position, end = header + start, header + start + length
    (record_size,) = struct.unpack_from(order + "I", ext, position)
    if length < 4 or record_size < 16:  # struct bpf_line_info
        return {}
    position += 4
    found: dict[str, list[Line]] = {}
    while position < end:
        name, count = struct.unpack_from(order + "II", ext, position)
        position += 8
        lines = found.setdefault(_string(strings, name), [])
        for _ in range(count):
            offset, file, _text, line = struct.unpack_from(order + "IIII", ext, position)
            lines.append(Line(offset, os.path.normpath(_string(strings, file)), line >> 10, line & 0x3FF))
            position += record_size
    for lines in found.values():
        lines.sort(key=lambda line: line.offset)
    return found
