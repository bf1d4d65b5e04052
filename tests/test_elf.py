# SPDX-License-Identifier: Apache-2.0
"""Objects as they stand in their files: real ones, those of other machines, and damaged ones."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import objects
from bpfline import elf, lines, sections
from bpfline.audit import audit
from bpfline.errors import ObjectError, Problem
from bpfline.settings import ObjectSettings


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return objects.compiled(objects.RICH, tmp_path_factory.mktemp("rich"))


def everything(data: bytes) -> None:
    """All that reads an object's bytes; a Problem is an answer, anything else is a bug."""
    began = time.monotonic()
    try:
        found = elf.parse(data, Path("x.o"))
        lines.read(found)
        sections.file_names(sections.wanted(found))
        audit(found, ObjectSettings(), "x.c")
    except Problem as problem:
        assert len(str(problem).splitlines()) <= 2
    assert time.monotonic() - began < 2


def test_sections_symbols_and_relocations_are_those_that_clang_wrote(rich: Path) -> None:
    found = elf.read(rich)
    text = found.by_name[".text"]
    assert found.byteorder == "little"
    assert text.executable and text.size == len(text.data) == sum(f.size for f in found.functions(text))
    assert [function.name for function in found.functions(text)] == ["shared", "twice", "prog"]
    assert found.by_name["license"].data == b"GPL\0"
    (call,) = found.relocations[text.index]
    assert (call.type, found.symbols[call.symbol].name) == (elf.R_BPF_64_32, "shared")


def test_an_object_for_the_other_byte_order_is_read_and_known_as_such(tmp_path: Path) -> None:
    found = elf.read(objects.compiled(objects.RICH, tmp_path, target="bpfeb"))
    assert found.byteorder == "big"
    parts = audit(found, ObjectSettings(), "x.c")
    assert (parts.byteorder, parts.programs[0].name) == ("big", "prog")
    first, *_ = objects.instructions(parts.programs[0].insns, ">")
    assert first == (0xBF, 6, 1, 0, 0)  # r6 = r1: code, dst_reg, src_reg, off, imm


def test_an_object_for_another_machine_is_named_with_its_machine(tmp_path: Path) -> None:
    host = objects.compiled("int f(void) { return 0; }\n", tmp_path, "-mcpu=generic", target="aarch64")
    with pytest.raises(ObjectError, match="is for aarch64, not for BPF") as caught:
        elf.read(host)
    assert "clang -target bpf" in caught.value.help


def test_what_is_no_relocatable_object_is_said(rich: Path) -> None:
    data = bytearray(rich.read_bytes())
    struct.pack_into("<H", data, 16, 2)  # e_type: ET_EXEC
    with pytest.raises(ObjectError, match="not a relocatable object"):
        elf.parse(bytes(data), rich)


def test_a_file_that_is_none_is_said_in_one_line_each(tmp_path: Path) -> None:
    (tmp_path / "empty.o").touch()
    (tmp_path / "text.o").write_text("hello\n")
    (tmp_path / "loop.o").symlink_to("loop.o")
    for name, words in (
        ("empty.o", "is empty"),
        ("text.o", "is not an ELF file"),
        (".", "is a directory, not a BPF object"),
        ("loop.o", "cannot be read: Too many levels of symbolic links"),
        ("missing.o", "cannot be read: No such file or directory"),
    ):
        with pytest.raises(ObjectError, match=words):
            elf.read(tmp_path / name)


def test_an_object_cut_off_anywhere_is_an_object_error(rich: Path) -> None:
    data = rich.read_bytes()
    for length in range(0, len(data), 64):
        with pytest.raises(ObjectError):
            elf.parse(data[:length], rich)


def test_a_text_that_is_not_whole_instructions_is_said(rich: Path) -> None:
    data = bytearray(rich.read_bytes())
    text = elf.read(rich).by_name[".text"]
    struct.pack_into("<Q", data, _header(data, text.index) + 32, text.size - 3)  # sh_size
    with pytest.raises(ObjectError, match=r"\.text is \d+ bytes long, not a multiple of 8"):
        audit(elf.parse(bytes(data), rich), ObjectSettings(), "x.c")


def _header(data: bytes, index: int) -> int:
    """The place of section header index: Elf64_Ehdr's e_shoff, and 64 bytes for each Elf64_Shdr."""
    return int(struct.unpack_from("<Q", data, 40)[0]) + 64 * index


def _fields(data: bytes) -> Iterator[tuple[str, int]]:
    """(format, place) of the fields by which an ELF file is found its way in (elf(5))."""
    yield from (("<H", at) for at in (18, 52, 58, 60, 62))
    yield from (("<Q", at) for at in (40,))
    found = elf.parse(data, Path("x.o"))
    for section in found.sections:
        at = _header(data, section.index)
        yield from (("<I", at + field) for field in (0, 4, 40, 44))
        yield from (("<Q", at + field) for field in (8, 24, 32, 56))
        (start,) = struct.unpack_from("<Q", data, at + 24)
        if section.name == ".symtab":
            yield from (("<H", entry + 6) for entry in range(start, start + section.size, 24))
            yield from (("<Q", entry + 8) for entry in range(start, start + section.size, 24))
        elif section.name in (".rel.text", ".BTF", ".BTF.ext"):
            yield from (("<I", entry) for entry in range(start, start + min(section.size, 64), 4))


def test_a_wrong_number_in_any_field_is_never_a_crash(rich: Path) -> None:
    data = rich.read_bytes()
    for kind, at in _fields(data):
        for value in (0, 1, 8, 0xFFF1, 0xFFFF, 1 << 31, (1 << 64) - 1):
            damaged = bytearray(data)
            struct.pack_into(kind, damaged, at, value & ((1 << 8 * struct.calcsize(kind)) - 1))
            everything(bytes(damaged))


def test_a_nameless_symbol_in_a_section_that_is_not_there_is_damage(rich: Path) -> None:
    data = bytearray(rich.read_bytes())
    found = elf.read(rich)
    relocation = _start(data, found.by_name[".rel.text"])
    struct.pack_into("<II", data, relocation + 8, elf.R_BPF_64_64, 1)  # r_info: against symbol 1
    symbol = _start(data, found.by_name[".symtab"]) + 24
    struct.pack_into("<I", data, symbol, 0)  # st_name
    struct.pack_into("<H", data, symbol + 6, 0x200)  # st_shndx
    with pytest.raises(ObjectError, match="symbols in sections that are not there"):
        elf.parse(bytes(data), rich)


def _start(data: bytes, section: elf.Section) -> int:
    return int(struct.unpack_from("<Q", data, _header(data, section.index) + 24)[0])


_EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("flip"), st.integers(0, 1 << 20), st.integers(0, 255), st.just(0)),
        st.tuples(st.just("cut"), st.integers(0, 1 << 20), st.integers(1, 300), st.just(0)),
        st.tuples(st.just("splice"), st.integers(0, 1 << 20), st.integers(1, 300), st.integers(0, 1 << 20)),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=300, deadline=None)
@given(edits=_EDITS)
def test_flipped_cut_and_spliced_bytes_are_never_a_crash(
    rich: Path, edits: list[tuple[str, int, int, int]]
) -> None:
    data = bytearray(rich.read_bytes())
    for kind, place, amount, other in edits:
        at = place % len(data)
        if kind == "flip":
            data[at] = amount
        elif kind == "cut" and len(data) > 400:
            del data[at : at + amount]
        else:
            source = other % len(data)
            data[at:at] = data[source : source + amount]
    everything(bytes(data))
