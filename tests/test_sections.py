# SPDX-License-Identifier: Apache-2.0
"""The dumped sections: which, under which names, with which bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

import objects
from bpfline import elf, sections
from bpfline.elf import SHF_ALLOC, Section
from bpfline.errors import ToolError

OBJCOPY = "llvm-objcopy"


def section(index: int, name: str) -> Section:
    return Section(index, name, "SHT_PROGBITS", SHF_ALLOC, 1, b"x")


@pytest.mark.parametrize(
    ("name", "file"),
    [
        (".text", "text.bin"),
        ("tp/sched/sched_switch", "tp.sched.sched_switch.bin"),
        ("license", "license.bin"),
        (".rodata.str1.1", "rodata.str1.1.bin"),
        ("-x", "-x.bin"),
        ("a=b c", "a=b c.bin"),
        ("é", "é.bin"),
        # What is no file name says where it comes from by its index.
        ("..", "_.7.bin"),
        ("../../x", "x.7.bin"),
        ("", "_.7.bin"),
        ("a\nb", "a_b.7.bin"),
        ("n" * 300, "n" * 200 + ".7.bin"),
        ("é" * 150, "é" * 100 + ".7.bin"),
    ],
)
def test_a_section_is_dumped_to_the_name_of_the_design(name: str, file: str) -> None:
    assert sections.file_names([section(7, name)]) == {7: file}


def test_names_that_would_be_one_get_their_index() -> None:
    clashing = [section(3, "a/b"), section(4, "a.b"), section(5, ".text"), section(6, "text")]
    assert sections.file_names([*clashing, section(8, "c")]) == {
        3: "a.b.3.bin",
        4: "a.b.4.bin",
        5: "text.5.bin",
        6: "text.6.bin",
        8: "c.bin",
    }


def test_an_index_that_is_appended_never_makes_a_new_clash() -> None:
    # "a/b" and "a.b" clash; appended to "a.b", 3 gives the name that "a.b.3" has by itself.
    names = sections.file_names([section(3, "a/b"), section(4, "a.b"), section(9, "a.b.3")])
    assert len(set(names.values())) == 3


# Sections by all the names that are awkward on a command line, and two that would be one file.
AWKWARD = """
#define IN(name) __attribute__((section(name), used))
IN("a/b") int one = 1;
IN("a.b") int two = 2;
IN("x=y") int three = 3;
IN("-dash") int four = 4;
IN("with space 'n \\"quotes\\"") int five = 5;
IN("../up") int six = 6;
int bss[4];
int prog(void *ctx) { return 0; }
"""


def test_every_section_is_dumped_byte_for_byte_whatever_its_name(tmp_path: Path) -> None:
    found = elf.read(objects.compiled(AWKWARD, tmp_path))
    into = tmp_path / "out" / "sections"
    made = sections.dump(found, into, OBJCOPY)
    assert sorted(into.iterdir()) == sorted(made)
    by_value = {
        int.from_bytes(path.read_bytes(), "little"): path.name for path in made if path.stat().st_size == 4
    }
    indices = {name: found.by_name[name].index for name in ("a/b", "a.b", "../up")}
    assert by_value == {
        1: f"a.b.{indices['a/b']}.bin",
        2: f"a.b.{indices['a.b']}.bin",
        3: "x=y.bin",
        4: "-dash.bin",
        5: 'with space \'n "quotes".bin',
        6: f"up.{indices['../up']}.bin",
    }
    for name in (".text", ".BTF", ".BTF.ext"):
        assert (into / (name.removeprefix(".") + ".bin")).read_bytes() == found.by_name[name].data
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "prog.c", "prog.o"]


def test_the_dump_replaces_what_stood_there_and_leaves_nothing_else(tmp_path: Path) -> None:
    into = tmp_path / "sections"
    sections.dump(elf.read(objects.compiled(AWKWARD, tmp_path)), into, OBJCOPY)
    made = sections.dump(elf.read(objects.compiled(objects.RICH, tmp_path)), into, OBJCOPY)
    assert sorted(into.iterdir()) == sorted(made)
    assert {path.name for path in tmp_path.iterdir()} == {"prog.c", "prog.o", "sections"}


def test_an_object_copier_that_is_missing_or_fails_leaves_what_stood_there(tmp_path: Path) -> None:
    found = elf.read(objects.compiled(objects.RICH, tmp_path))
    into = tmp_path / "sections"
    sections.dump(found, into, OBJCOPY)
    before = {path.name: path.read_bytes() for path in into.iterdir()}
    for tool, words in (
        ("no-such-objcopy", "is not installed"),
        ("false", "llvm-objcopy failed"),
    ):
        with pytest.raises(ToolError, match=words):
            sections.dump(found, into, tool)
        assert {path.name: path.read_bytes() for path in into.iterdir()} == before
    assert {path.name for path in tmp_path.iterdir()} == {"prog.c", "prog.o", "sections"}
