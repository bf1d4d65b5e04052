# SPDX-License-Identifier: Apache-2.0
"""Source lines of instructions, from .BTF.ext (Documentation/bpf/btf.rst, ".BTF.ext section").

DWARF has them too, but takes seconds to read where vmlinux.h was included.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from dataclasses import dataclass

from bpfline_loader.btf import Btf, BtfError

from . import btf_ext
from .btf_ext import Ext, LineInfo
from .elf import ObjectFile


@dataclass(frozen=True)
class Line:
    """One record of line_info: from offset (bytes into the section) on, this is the source."""

    offset: int
    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.column else f"{self.file}:{self.line}"


def read(object_file: ObjectFile, btf: Btf | None = None, ext: Ext | None = None) -> dict[str, list[Line]]:
    """The lines of each section by its name, in the order of their offsets.

    btf, ext: the object's, if they were read already. Empty where there is no line information, or
    none that can be read: without it an object loads as well, and messages name the function instead.
    """
    section = object_file.by_name.get(".BTF")
    if section is None:
        return {}
    try:
        btf = Btf.parse(section.data) if btf is None else btf
        ext = btf_ext.read(object_file, btf) if ext is None else ext
        return {name: _lines(records, btf) for name, records in ext.line.items()}
    except BtfError:
        return {}


def _lines(records: list[LineInfo], btf: Btf) -> list[Line]:
    """clang gives line 0 to what stands in no line: that belongs to the line before."""
    files = {offset: os.path.normpath(btf.name(offset)) for offset in {r.file_name_off for r in records}}
    return [
        Line(r.insn_off, files[r.file_name_off], r.line_col >> 10, r.line_col & 0x3FF)
        for r in records
        if r.line_col >> 10
    ]


def at(lines: list[Line], offset: int) -> Line | None:
    """The record that the instruction at offset belongs to."""
    index = bisect_right(lines, offset, key=lambda line: line.offset)
    return lines[index - 1] if index else None
