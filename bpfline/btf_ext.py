# SPDX-License-Identifier: Apache-2.0
"""The records of .BTF.ext: which instruction belongs to which function, line and CO-RE relocation.

Documentation/bpf/btf.rst, ".BTF.ext section". Offsets count bytes from the start of the section that
the records are for; bpf(2) counts instructions of the linked program instead, except for CO-RE.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from bpfline_loader.btf import Btf, BtfError
from bpfline_loader.btf_raw import MAGIC

from .elf import ObjectFile

_HEADER = "HBBIIIII"  # struct btf_ext_header up to line_info_len
_HEADER_SIZE = 24
_CORE_END = 32  # its core_relo_off and core_relo_len, which came later


class FuncInfo(NamedTuple):
    """struct bpf_func_info: from insn_off on it is the FUNC type_id."""

    insn_off: int
    type_id: int


class LineInfo(NamedTuple):
    """struct bpf_line_info: from insn_off on it is line_col >> 10, column line_col & 0x3ff.

    file_name_off, line_off: the file's name and the line's text, in the strings of .BTF.
    """

    insn_off: int
    file_name_off: int
    line_off: int
    line_col: int


class CoreRelo(NamedTuple):
    """struct bpf_core_relo: kind is BPF_CORE_*."""

    insn_off: int
    type_id: int
    access_str_off: int
    kind: int


@dataclass(frozen=True)
class Ext:
    """The records of each section by its name, in the order of their offsets."""

    func: dict[str, list[FuncInfo]] = field(default_factory=dict)
    line: dict[str, list[LineInfo]] = field(default_factory=dict)
    core: dict[str, list[CoreRelo]] = field(default_factory=dict)


def read(object_file: ObjectFile, btf: Btf | None = None) -> Ext:
    """The records of an object; none where it has no .BTF.ext. btf: its .BTF, if it was parsed already.

    BtfError for what is damaged, and for records that say more than is known here: a kernel refuses
    those too (E2BIG), unless the rest is zero.
    """
    section, types = object_file.by_name.get(".BTF.ext"), object_file.by_name.get(".BTF")
    if section is None or (btf is None and types is None):
        return Ext()
    if btf is None:
        assert types is not None
        btf = Btf.parse(types.data)
    data, order = section.data, "<" if object_file.byteorder == "little" else ">"
    if len(data) < _HEADER_SIZE:
        raise BtfError(".BTF.ext is cut off in its header")
    magic, version, _, header, func, func_len, line, line_len = struct.unpack_from(order + _HEADER, data)
    if magic != MAGIC or version != 1 or not _HEADER_SIZE <= header <= len(data):
        raise BtfError(".BTF.ext has a header that is none")
    core = core_len = 0
    if header >= _CORE_END:
        core, core_len = struct.unpack_from(order + "II", data, _HEADER_SIZE)
    body = data[header:]
    return Ext(
        {n: [FuncInfo(*r) for r in found] for n, found in _sections(body, func, func_len, order, "II", btf)},
        {
            n: [LineInfo(*r) for r in found]
            for n, found in _sections(body, line, line_len, order, "IIII", btf)
        },
        {
            n: [CoreRelo(*r) for r in found]
            for n, found in _sections(body, core, core_len, order, "IIII", btf)
        },
    )


def _sections(
    body: bytes, start: int, length: int, order: str, record: str, btf: Btf
) -> Iterator[tuple[str, list[tuple[int, ...]]]]:
    """The records of one kind by section: a record size, then for each section its name, a count, records."""
    end, known = start + length, struct.calcsize(record)
    if not length:
        return
    if start % 4 or end > len(body) or length < 4:
        raise BtfError(".BTF.ext has records beyond its end")
    (size,) = struct.unpack_from(order + "I", body, start)
    if size < known or size % 4:
        raise BtfError(f".BTF.ext has records of {size} bytes, known are {known}")
    found: dict[int, list[tuple[int, ...]]] = {}
    at = start + 4
    while at < end:
        if end - at < 8:
            raise BtfError(".BTF.ext is cut off in its records")
        name, count = struct.unpack_from(order + "II", body, at)
        at, records = at + 8, body[at + 8 : at + 8 + count * size]
        if at + count * size > end:
            raise BtfError(".BTF.ext is cut off in its records")
        if size > known and any(
            any(records[tail : tail + size - known]) for tail in range(known, len(records), size)
        ):
            raise BtfError(f".BTF.ext has records of {size} bytes, known are {known}")
        layout = f"{order}{record}{size - known}x"
        found.setdefault(name, []).extend(struct.iter_unpack(layout, records))
        at += count * size
    for name, entries in found.items():
        yield btf.name(name), sorted(entries, key=lambda entry: entry[0])
