# SPDX-License-Identifier: Apache-2.0
"""Source lines, from .BTF.ext."""

from __future__ import annotations

import struct
from pathlib import Path

import objects
from bpfline import elf, lines

TWO_FILES = """#include "sub/helper.h"

int prog(int *ctx)
{
	int a = ctx[0];
	asm volatile("" : "+r"(a));
	return helped(a);
}
"""
HELPER = """static inline int helped(int a)
{
	return a * 7777;
}
"""


def of(made: Path) -> list[lines.Line]:
    return lines.read(elf.read(made))[".text"]


def test_each_instruction_has_the_line_it_came_from_also_out_of_a_header(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "helper.h").write_text(HELPER)
    found = elf.read(objects.compiled(TWO_FILES, tmp_path))
    records = lines.read(found)[".text"]
    insns = objects.instructions(found.by_name[".text"].data)
    factor = next(index for index, insn in enumerate(insns) if insn[4] == 7777)
    assert str(lines.at(records, 8 * factor)) == "sub/helper.h:3:11"
    assert str(lines.at(records, 0)) == "prog.c:5:10"
    assert str(lines.at(records, 8 * len(insns) - 8)) == "prog.c:7:2"
    assert all(record.file in ("prog.c", "sub/helper.h") for record in records)


def test_both_byte_orders_give_the_same_lines(tmp_path: Path) -> None:
    little, big = (
        [str(line) for line in of(objects.compiled(objects.RICH, tmp_path, target=target))]
        for target in ("bpfel", "bpfeb")
    )
    assert little == big and little


def test_without_debug_information_there_are_no_lines(tmp_path: Path) -> None:
    found = elf.read(objects.compiled(objects.RICH, tmp_path, "-g0"))
    assert lines.read(found) == {}
    assert lines.at([], 0) is None


def test_before_the_first_record_there_is_no_line() -> None:
    record = lines.Line(16, "x.c", 1, 0)
    assert lines.at([record], 8) is None
    assert str(lines.at([record], 16)) == "x.c:1"


def test_damaged_line_information_is_none_at_all(tmp_path: Path) -> None:
    made = objects.compiled(objects.RICH, tmp_path)
    data = bytearray(made.read_bytes())
    ext = elf.read(made).by_name[".BTF.ext"].data
    at = data.index(ext)
    struct.pack_into("<H", data, at, 0x1234)  # its magic number
    assert lines.read(elf.parse(bytes(data), made)) == {}
