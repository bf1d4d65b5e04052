# SPDX-License-Identifier: Apache-2.0
"""The audit: what cannot work is refused with its line, what is odd is a warning, the rest passes."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

import objects
from bpfline import elf
from bpfline.errors import AuditError, ObjectError

PROG = "int prog(void *ctx)\n{\n\treturn 0;\n}\n"


@pytest.mark.parametrize(
    ("text", "where", "what", "remedy"),
    [
        ("", "bpf_src/x.c", "holds no program", "a function that is not static"),
        ("int x;\n", "bpf_src/x.c", "holds no program", "a function that is not static"),
        (
            '__attribute__((section("tracepiont/a/b"), used))\n' + PROG,
            "prog.c:4:2",
            'program prog: SEC("tracepiont/a/b") is not known',
            "did you mean tracepoint/a/b",
        ),
        (
            '__attribute__((section("fentry"), used))\n' + PROG,
            "prog.c:4:2",
            'program prog: SEC("fentry") does not say what it is attached to',
            'SEC("fentry/NAME")',
        ),
        (
            "int prog(int (**f)(int))\n{\n\treturn (*f)(2);\n}\n",
            "prog.c:3:9",
            "calls through a pointer (callx), which the kernel does not run",
            "compile with -O2",
        ),
        (
            "int missing(void);\nint prog(void *ctx)\n{\n\treturn missing();\n}\n",
            "prog.c:4:9",
            "calls missing(), which this object does not have",
            "declare it with __ksym",
        ),
        (
            "extern int missing;\nint prog(void *ctx)\n{\n\treturn missing;\n}\n",
            "prog.c:4:9",
            "uses missing, which this object does not have",
            "declare it with __ksym",
        ),
    ],
)
def test_what_cannot_work_is_said_with_its_place_and_its_remedy(
    text: str, where: str, what: str, remedy: str, tmp_path: Path
) -> None:
    given = {"type": None} if "section(" in text else {}  # a type would do for an unknown section, too
    with pytest.raises(AuditError) as caught:
        objects.audited(objects.compiled(text, tmp_path), **given)
    assert caught.value.what.startswith(what)
    assert (caught.value.where, caught.value.status) == (where, 1)
    assert remedy in caught.value.help


def test_without_line_information_the_instruction_is_named(tmp_path: Path) -> None:
    text = "int prog(int (**f)(int)) { return (*f)(2); }\n"
    with pytest.raises(AuditError) as caught:
        objects.audited(objects.compiled(text, tmp_path, "-g0"))
    assert re.fullmatch(r"bpf_src/x\.c \(\.text\+0x[0-9a-f]+\)", str(caught.value.where))


def test_a_program_without_sec_and_without_a_type_is_said(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="without SEC\\(\\), prog: nothing says of what type") as caught:
        objects.audited(objects.compiled(PROG, tmp_path), type=None)
    assert "type = " in caught.value.help


def test_the_license_is_the_objects_own_else_that_of_the_settings_else_a_warning(tmp_path: Path) -> None:
    with_its_own = objects.spec_of(objects.compiled(objects.LICENSE + PROG, tmp_path), license="MIT")
    assert (with_its_own.bundle.license, with_its_own.warnings) == ("GPL", ())
    plain = objects.compiled(PROG, tmp_path)
    by_settings = objects.spec_of(plain, license="Dual BSD/GPL")
    assert (by_settings.bundle.license, by_settings.warnings) == ("Dual BSD/GPL", ())
    neither = objects.spec_of(plain)
    assert neither.bundle.license == ""
    (warning,) = neither.warnings
    assert warning.startswith("bpf_src/x.c: warning: has no license: the kernel will refuse its GPL-only")


def test_the_way_to_name_a_license_that_the_warning_gives_compiles(tmp_path: Path) -> None:
    (warning,) = objects.spec_of(objects.compiled(PROG, tmp_path)).warnings
    line = warning.partition("help: ")[2].partition("; or")[0]
    text = "#define SEC(name) __attribute__((section(name), used))\n" + line + ";\n" + PROG
    assert objects.audited(objects.compiled(text, tmp_path)).license == "GPL"


def test_a_section_that_nothing_loads_is_named_in_a_warning(tmp_path: Path) -> None:
    text = 'int m[4] __attribute__((section("mine"), used));\n' + PROG
    (warning,) = objects.spec_of(objects.compiled(text, tmp_path), license="GPL").warnings
    assert warning == "bpf_src/x.c: warning: section mine is not loaded: nothing is known of it"


def test_data_beside_the_text_is_loaded_and_no_warning(tmp_path: Path) -> None:
    text = "int g;\nconst volatile int t[] = {3, 9, 27};\nint prog(void *ctx) { return t[g++ & 1]; }\n"
    found = objects.spec_of(objects.compiled(text, tmp_path), license="GPL", type="socket_filter")
    assert (found.warnings, found.failures) == ((), ())
    assert {each.name for each in found.bundle.maps} == {".bss", ".rodata"}


def test_relocations_that_the_kernel_would_leave_out_are_a_warning(tmp_path: Path) -> None:
    text = """
struct task { int pid; } __attribute__((preserve_access_index));
int prog(struct task *t) { return t->pid; }
"""
    made = objects.compiled(text, tmp_path)
    found = elf.read(made)
    data, ext = bytearray(made.read_bytes()), found.by_name[".BTF.ext"]
    at = data.index(ext.data)
    struct.pack_into("<I", data, at + 12, 0)  # func_info_len
    struct.pack_into("<I", data, at + 20, 0)  # line_info_len
    made.write_bytes(data)
    (warning,) = objects.spec_of(made, license="GPL", type="socket_filter").warnings
    assert "prog() has CO-RE relocations, and no function or line information" in warning


def test_damage_to_the_place_of_a_function_is_said(tmp_path: Path) -> None:
    made = objects.compiled(PROG, tmp_path)
    found = elf.read(made)
    (function,) = found.functions(found.by_name[".text"])
    data, table = bytearray(made.read_bytes()), found.by_name[".symtab"]
    at = data.index(table.data) + 24 * found.symbols.index(function)
    for value, size in ((4, function.size), (0, function.size + 8), (0, 0), (8, function.size)):
        struct.pack_into("<QQ", data, at + 8, value, size)  # st_value, st_size
        made.write_bytes(data)
        with pytest.raises(ObjectError, match="its functions do not fit its code"):
            objects.audited(made)


@pytest.mark.parametrize(
    ("section", "what", "remedy"),
    [
        (".addr_space.1", "global variables in an arena are not supported", "bpf_arena_alloc_pages()"),
        (".jumptables", "jump tables (indirect gotox) are not supported", "-fno-jump-tables"),
    ],
)
def test_what_is_not_supported_is_named_in_one_line_at_its_place(
    section: str, what: str, remedy: str, tmp_path: Path
) -> None:
    text = f"""__attribute__((section("{section}"))) int shared = 1;
int prog(void *ctx) {{ return shared; }}
"""
    with pytest.raises(AuditError) as caught:
        objects.audited(objects.compiled(text, tmp_path))
    assert caught.value.what == f"refers to shared in {section}: {what}"
    assert remedy in caught.value.help and caught.value.where == "prog.c:2:30"
