# SPDX-License-Identifier: Apache-2.0
"""The audit: what cannot work is refused with its line, what is odd is a warning, the rest passes."""

from __future__ import annotations

from pathlib import Path

import pytest

import objects
from bpfline.errors import AuditError

PROG = "int prog(void *ctx)\n{\n\treturn 0;\n}\n"


@pytest.mark.parametrize(
    ("text", "where", "what", "remedy"),
    [
        ("", "bpf_src/x.c", "holds no program", "a function that is not static"),
        ("int x;\n", "bpf_src/x.c", "holds no program", "a function that is not static"),
        (
            '__attribute__((section("tp/a/b"), used)) ' + PROG,
            "bpf_src/x.c",
            "has code in section tp/a/b: programs with SEC() are not loaded yet",
            "leave SEC() away",
        ),
        (
            "int g;\nint prog(void *ctx) { return g++; }\n",
            "prog.c:2:31",
            "uses g in memory",
            "local variable",
        ),
        (
            "int t(int i)\n{\n\tstatic const int t[] = {3, 9, 27, 1};\n\treturn t[i & 3];\n}\n",
            "prog.c:4:9",
            "uses constants in .rodata",
            "on the stack",
        ),
        (
            "int prog(int (**f)(int))\n{\n\treturn (*f)(2);\n}\n",
            "prog.c:3:9",
            "calls through a pointer (callx), which the kernel does not run",
            "compile with -O2",
        ),
        (
            "struct task { int pid, tgid; } __attribute__((preserve_access_index));\n"
            "int prog(struct task *task)\n{\n\treturn task->tgid;\n}\n",
            "prog.c:4:15",
            "wants CO-RE relocation, which is not done yet",
            "preserve_access_index",
        ),
    ],
)
def test_what_cannot_work_is_said_with_its_place_and_its_remedy(
    text: str, where: str, what: str, remedy: str, tmp_path: Path
) -> None:
    with pytest.raises(AuditError) as caught:
        objects.audited(objects.compiled(text, tmp_path))
    assert caught.value.what.startswith(what)
    assert (caught.value.where, caught.value.status) == (where, 1)
    assert remedy in caught.value.help


def test_without_line_information_the_instruction_is_named(tmp_path: Path) -> None:
    with pytest.raises(AuditError) as caught:
        objects.audited(objects.compiled("int g;\nint prog(void *ctx) { return g; }\n", tmp_path, "-g0"))
    assert caught.value.where == "bpf_src/x.c (.text+0x0)"


def test_the_license_is_the_objects_own_else_that_of_the_settings_else_a_warning(tmp_path: Path) -> None:
    with_its_own = objects.audited(objects.compiled(objects.LICENSE + PROG, tmp_path), license="MIT")
    assert (with_its_own.license, with_its_own.warnings) == ("GPL", ())
    plain = objects.compiled(PROG, tmp_path)
    by_settings = objects.audited(plain, license="Dual BSD/GPL")
    assert (by_settings.license, by_settings.warnings) == ("Dual BSD/GPL", ())
    neither = objects.audited(plain)
    assert neither.license == ""
    (warning,) = neither.warnings
    assert warning.startswith("bpf_src/x.c: warning: has no license: the kernel will refuse its GPL-only")


def test_the_way_to_name_a_license_that_the_warning_gives_compiles(tmp_path: Path) -> None:
    (warning,) = objects.audited(objects.compiled(PROG, tmp_path)).warnings
    line = warning.partition("help: ")[2].partition("; or")[0]
    text = "#define SEC(name) __attribute__((section(name), used))\n" + line + ";\n" + PROG
    assert objects.audited(objects.compiled(text, tmp_path)).license == "GPL"


def test_a_section_that_nothing_loads_is_named_in_a_warning(tmp_path: Path) -> None:
    text = 'int m[4] __attribute__((section(".maps"), used));\n' + PROG
    (warning,) = objects.audited(objects.compiled(text, tmp_path), license="GPL").warnings
    assert warning.startswith("bpf_src/x.c: warning: section .maps is not loaded yet")


def test_a_string_that_the_optimiser_put_into_instructions_is_no_warning(tmp_path: Path) -> None:
    parts = objects.audited(objects.compiled(objects.RICH, tmp_path))
    assert parts.warnings == ()
