# SPDX-License-Identifier: Apache-2.0
"""Places: file, line, column and text of each instruction of a linked program, from its line_info.

The text of a line is in the object's BTF as clang read it: no file has to be opened for it, and it is
what was compiled, whatever the file holds by now.
"""

from __future__ import annotations

import os
import struct
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from bpfline_loader.btf import Btf, BtfError
from bpfline_loader.bundle import INSN_SIZE, Bundle, Program


@dataclass(frozen=True)
class Place:
    """A place in a source. file: relative where it is below the current directory. line, column: from 1
    on, 0 where they are not known; clang's columns count bytes. source: the text of the line with its own
    indentation, "" if unknown. function: where known."""

    file: str = ""
    line: int = 0
    column: int = 0
    source: str = ""
    function: str = ""

    def __str__(self) -> str:
        return ":".join([self.file, *(str(number) for number in (self.line, self.column) if number)])


@dataclass(frozen=True)
class ProgramLines:
    """opcodes: the first byte of each instruction, for telling whether a log is of this program. places:
    from which instruction on each holds; functions: name and first instruction of each. kfuncs: the
    instructions that call kernel functions, and the names of those."""

    name: str
    opcodes: bytes
    places: tuple[tuple[int, Place], ...] = ()
    functions: tuple[tuple[int, str], ...] = ()
    kfuncs: tuple[tuple[int, str], ...] = ()

    def at(self, insn: int) -> Place | None:
        index = bisect_right(self.places, insn, key=lambda entry: entry[0])
        return self.places[index - 1][1] if index else None

    def function(self, insn: int) -> str:
        return _function(self.functions, insn)


def of(program: Program, bundle: Bundle) -> ProgramLines:
    """The places of a program; none where it was built without -g, or its BTF cannot be read."""
    opcodes = program.insns[::INSN_SIZE]
    order = "<" if bundle.byteorder == "little" else ">"
    kfuncs = tuple((fixup.insn, fixup.target) for fixup in program.fixups if fixup.kind == "kfunc")
    if not bundle.btf:
        return ProgramLines(program.name, opcodes, kfuncs=kfuncs)
    try:
        btf = Btf.parse(bundle.btf)
        functions = tuple(
            (insn, btf.type(type_id).name)
            for insn, type_id in struct.iter_unpack(order + "II", program.func_info)
        )
        records = list(struct.iter_unpack(order + "IIII", program.line_info))
        return ProgramLines(program.name, opcodes, tuple(_places(records, functions, btf)), functions, kfuncs)
    except BtfError:
        return ProgramLines(program.name, opcodes, kfuncs=kfuncs)


def _places(
    records: list[tuple[int, ...]], functions: Sequence[tuple[int, str]], btf: Btf
) -> list[tuple[int, Place]]:
    """clang gives line 0 to what stands in no line: that belongs to the line before."""
    files = {offset: shown(btf.name(offset)) for offset in {record[1] for record in records}}
    return [
        (insn, Place(files[file], line >> 10, line & 0x3FF, btf.name(text), _function(functions, insn)))
        for insn, file, text, line in records
        if line >> 10
    ]


def shown(path: str) -> str:
    """path as the user knows it: relative where it is below the current directory."""
    here = os.path.join(os.getcwd(), "")  # noqa: PTH109, PTH118 - pathlib takes ten times as long
    return os.path.normpath(path.removeprefix(here)) if path else ""


def _function(functions: Sequence[tuple[int, str]], insn: int) -> str:
    index = bisect_right(functions, insn, key=lambda entry: entry[0])
    return functions[index - 1][1] if index else ""
