# SPDX-License-Identifier: Apache-2.0
"""Source lines of instructions, and which of them want CO-RE relocation, from .BTF.ext
(Documentation/bpf/btf.rst, ".BTF.ext section").

DWARF has them too, but takes seconds to read where vmlinux.h was included.
"""

from __future__ import annotations

import os
import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from .elf import ObjectFile

_MAGIC = 0xEB9F  # linux/btf.h
# Where struct btf_ext_header (libbpf's) has the offset and the length of each kind of records.
_LINE_INFO, _CORE_RELO = 16, 24


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
    found: dict[str, list[Line]] = {}
    try:
        for section, (offset, file, _text, line), strings in _records(object_file, _LINE_INFO):
            path = os.path.normpath(_string(strings, file))
            found.setdefault(section, []).append(Line(offset, path, line >> 10, line & 0x3FF))
    except _DAMAGED:
        return {}
    for lines in found.values():
        lines.sort(key=lambda line: line.offset)
    return found


def core_relos(object_file: ObjectFile) -> dict[str, list[int]]:
    """The offsets of each section's instructions that want CO-RE relocation (struct bpf_core_relo)."""
    found: dict[str, list[int]] = {}
    try:
        for section, (offset, _type, _access, _kind), _ in _records(object_file, _CORE_RELO):
            found.setdefault(section, []).append(offset)
    except _DAMAGED:
        return {}
    return found


def at(lines: list[Line], offset: int) -> Line | None:
    """The record that the instruction at offset belongs to."""
    index = bisect_right(lines, offset, key=lambda line: line.offset)
    return lines[index - 1] if index else None


_DAMAGED = (struct.error, IndexError, ValueError)


def _strings(btf: bytes, order: str) -> bytes:
    magic, _version, _flags, header, _types, _type_len, start, length = struct.unpack_from(
        order + "HBBIIIII", btf
    )
    if magic != _MAGIC:
        raise ValueError("not BTF")
    return btf[header + start : header + start + length]


def _string(strings: bytes, offset: int) -> str:
    return strings[offset : strings.index(b"\0", offset)].decode(errors="replace")


def _records(object_file: ObjectFile, kind: int) -> Iterator[tuple[str, tuple[int, int, int, int], bytes]]:
    """(section, first four words, the strings they point into) of each record of a kind."""
    if ".BTF.ext" not in object_file.by_name or ".BTF" not in object_file.by_name:
        return
    order = "<" if object_file.byteorder == "little" else ">"
    strings = _strings(object_file.by_name[".BTF"].data, order)
    ext = object_file.by_name[".BTF.ext"].data
    magic, _version, _flags, header = struct.unpack_from(order + "HBBI", ext)
    if magic != _MAGIC:
        raise ValueError("not .BTF.ext")
    if header < kind + 8:
        return
    start, length = struct.unpack_from(order + "II", ext, kind)
    if length < 4:
        return
    position, end = header + start, header + start + length
    (record_size,) = struct.unpack_from(order + "I", ext, position)
    if record_size < 16:  # struct bpf_line_info, struct bpf_core_relo
        raise ValueError("records too short")
    position += 4
    while position < end:
        name, count = struct.unpack_from(order + "II", ext, position)
        position += 8
        section = _string(strings, name)
        for _ in range(count):
            yield section, struct.unpack_from(order + "IIII", ext, position), strings
            position += record_size
