# SPDX-License-Identifier: Apache-2.0
"""The records of .BTF.ext: compared with the symbol table, the disassembler's lines and the source."""

from __future__ import annotations

import dataclasses
import re
import struct
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bpf_objects import compile_bpf
from bpfline import btf_ext, elf, lines
from bpfline.elf import ObjectFile
from bpfline_loader.btf import Btf, BtfError, relo_kind_name
from btf_sources import CORE, DATA

EXECVE = "tracepoint/syscalls/sys_enter_execve"


def parsed(path: Path) -> tuple[ObjectFile, Btf]:
    found = elf.parse(path.read_bytes(), path)
    return found, Btf.parse(found.by_name[".BTF"].data)


def with_ext(object_file: ObjectFile, data: bytes) -> ObjectFile:
    sections = tuple(
        dataclasses.replace(section, data=data, size=len(data)) if section.name == ".BTF.ext" else section
        for section in object_file.sections
    )
    return dataclasses.replace(object_file, sections=sections)


def widened(ext: bytes, tail: bytes) -> bytes:
    """ext as a later compiler might write it: each record is followed by tail."""
    magic, version, flags, header, *parts = struct.unpack_from("<HBBIIIIIII", ext)
    body, moved = b"", []
    for start, length, known in zip(parts[::2], parts[1::2], (8, 16, 16), strict=True):
        info, at = ext[header + start : header + start + length], 4
        out = struct.pack("<I", known + len(tail))
        while at < len(info):
            count = struct.unpack_from("<II", info, at)[1]
            out += info[at : at + 8]
            for record in range(at + 8, at + 8 + count * known, known):
                out += info[record : record + known] + tail
            at += 8 + count * known
        moved += [len(body), len(out)]
        body += out
    return struct.pack("<HBBIIIIIII", magic, version, flags, header, *moved) + body


@pytest.mark.parametrize("target", ["bpfel", "bpfeb"])
def test_each_function_of_the_symbol_table_has_its_record_and_its_name(target: str) -> None:
    found, btf = parsed(compile_bpf(DATA, "-target", target))
    ext = btf_ext.read(found, btf)
    assert set(ext.func) == {".text", "tc"}
    for name, records in ext.func.items():
        named = [(record.insn_off, btf.type(record.type_id).name) for record in records]
        functions = found.functions(found.by_name[name])
        assert named == [(symbol.value, symbol.name) for symbol in functions]


@pytest.mark.parametrize("source", [DATA, CORE])
def test_each_instruction_has_the_line_that_the_disassembler_finds_in_dwarf(source: str) -> None:
    path = compile_bpf(source)
    found, _ = parsed(path)
    read, section, line, compared = lines.read(found), "", 0, 0
    for text in subprocess.check_output(["llvm-objdump", "-d", "-l", path], text=True).splitlines():
        if named := re.match(r"Disassembly of section (.*):", text):
            section = named[1]
        elif lined := re.match(r"; .*prog\.bpf\.c:(\d+)$", text):
            line = int(lined[1])
        elif insn := re.match(r" +(\d+):\t", text):
            at = lines.at(read[section], int(insn[1]) * 8)
            assert at is not None
            assert (at.file.endswith("prog.bpf.c"), at.line) == (True, line)
            compared += 1
    assert compared > 20


def test_co_re_records_say_which_field_enumerator_or_type_of_the_source_they_are_for() -> None:
    found, btf = parsed(compile_bpf(CORE))
    records = btf_ext.read(found).core[EXECVE]
    said = {
        (relo_kind_name(r.kind), btf.access(r.type_id, btf.string(r.access_str_off), r.kind)) for r in records
    }
    assert said == {
        ("field offset", "outer.in.first"),
        ("field offset", "outer.in.name[3]"),
        ("field offset", "outer.more[2].name[1]"),
        ("field offset", "outer[3].lost"),
        ("field offset", "only_typedef_t.unnamed_first"),
        ("field offset", "outer.flag"),
        ("field size", "outer.flag"),
        ("field size", "outer.in.name"),
        ("field exists", "outer.in"),
        ("field signedness", "outer.flag"),
        ("bit-field left shift", "outer.flag"),
        ("bit-field right shift", "outer.flag"),
        ("type exists", "struct inner"),
        ("type size", "struct outer"),
        ("local type id", "struct inner"),
        ("kernel type id", "only_typedef_t"),
        ("enumerator value", "verdict::YES"),
        ("enumerator exists", "verdict::NO"),
    }


@pytest.mark.parametrize("source", [DATA, CORE])
def test_records_are_in_the_order_of_the_instructions(source: str) -> None:
    ext = btf_ext.read(parsed(compile_bpf(source))[0])
    offsets = [[r.insn_off for r in records] for kind in (ext.func, ext.line) for records in kind.values()]
    offsets += [[r.insn_off for r in records] for records in ext.core.values()]
    assert all(found == sorted(found) for found in offsets)


def test_longer_records_are_read_when_what_they_add_is_zero_and_refused_when_not() -> None:
    found, _ = parsed(compile_bpf(CORE))
    data = found.by_name[".BTF.ext"].data
    assert btf_ext.read(with_ext(found, widened(data, b""))) == btf_ext.read(found)
    assert btf_ext.read(with_ext(found, widened(data, bytes(8)))) == btf_ext.read(found)
    with pytest.raises(BtfError, match="records of 16 bytes, known are 8"):
        btf_ext.read(with_ext(found, widened(data, b"\0\0\0\1\0\0\0\0")))


def test_an_object_without_debug_information_has_no_records() -> None:
    path = compile_bpf(DATA, "-g0")
    found = elf.parse(path.read_bytes(), path)
    assert btf_ext.read(found) == btf_ext.Ext()
    assert lines.read(found) == {}


GOOD = parsed(compile_bpf(CORE))


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damaged_records_give_a_value_or_btf_error_in_bounded_time(data: st.DataObject) -> None:
    found, btf = GOOD
    damaged = bytearray(found.by_name[".BTF.ext"].data)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.one_of(st.integers(0, 48), st.integers(0, len(damaged) - 1))) % len(damaged)
        how = data.draw(st.sampled_from(["flip", "word", "cut", "splice"]))
        if how == "flip":
            damaged[at] ^= 1 << data.draw(st.integers(0, 7))
        elif how == "word":
            damaged[at : at + 4] = struct.pack(
                "<I", data.draw(st.sampled_from([0, 1, 4, 0xFFFFFFFF, 1 << 31]))
            )
        elif how == "cut" and at:
            del damaged[at:]
        else:
            damaged[at:at] = damaged[: data.draw(st.integers(1, 64))]
    spoilt, started = with_ext(found, bytes(damaged)), time.monotonic()
    try:
        ext = btf_ext.read(spoilt, btf)
        for record in (record for records in ext.core.values() for record in records):
            btf.access(record.type_id, btf.string(record.access_str_off), record.kind)
    except BtfError:
        pass
    assert isinstance(lines.read(spoilt), dict)
    assert time.monotonic() - started < 2
