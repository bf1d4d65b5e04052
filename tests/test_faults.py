# SPDX-License-Identifier: Apache-2.0
"""The eleven faults of the blog post that bpfline began with, in its order: docs/blog.md.

Those of the blog's loader concern both of ours, so their tests stand with the loaders'; each is named
here, and the last test looks whether it is there.

 4. the length is the file's:
    tests/test_c_loader.py::test_a_file_that_holds_no_program_is_said_and_ends_with_2
 5. any length that the kernel takes, and each read is checked:
    tests/test_c_loader.py::test_a_program_of_more_than_256_instructions_loads
    tests/loader/test_load.py::test_more_instructions_than_the_kernel_takes_are_a_refusal_that_says_so
 6. the tracepoint's id is looked up by its name:
    tests/test_c_loader.py::test_an_unknown_tracepoint_is_named
    tests/loader/test_tracefs.py::test_an_unknown_tracepoint_names_near_ones
 7. tracefs is found wherever it is, mounted or not, and nothing stays mounted:
    tests/test_c_loader.py::test_tracefs_is_found_wherever_it_is_mounted
    tests/test_c_loader.py::test_nothing_stays_loaded_or_mounted
    tests/loader/test_tracefs.py::test_a_tracefs_mounted_elsewhere_is_found_also_with_a_space_in_its_path
    tests/loader/test_tracefs.py::test_where_it_is_mounted_nowhere_it_is_reached_and_nothing_stays_mounted
 8. a long log makes no good program fail:
    tests/test_c_loader.py::test_a_log_longer_than_the_first_buffer_is_whole
    tests/loader/test_load.py::test_a_log_of_more_than_4_kib_makes_no_good_program_fail
 9. it stays without a terminal:
    tests/test_c_loader.py::test_it_stays_without_a_terminal_until_a_signal_ends_it_with_0
    tests/loader/test_run.py::test_without_a_terminal_it_stays_until_told
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sysconfig
from pathlib import Path

import pytest

import bpfline
import objects
from bpfline import clang, elf, sections
from bpfline.errors import AuditError
from bpfline.project import Project as Sources
from bpfline_loader import bundle, tracefs
from bpfline_loader.errors import BundleError
from conftest import Built, Project

# The blog's program: no section of its own, the helper's number in a variable that could change.
BLOG = """#include <linux/bpf.h>
static long (*bpf_trace_printk)(const char *fmt, unsigned int size, ...) = (void *)BPF_FUNC_trace_printk;

int func(void *ctx)
{
	char msg[] = "Hello!";

	bpf_trace_printk(msg, sizeof(msg));
	return 0;
}
"""


# A string that nothing puts on the stack: it stays in a section of its own.
ELSEWHERE = f"""{objects.PRINTK}
int func(void *ctx)
{{
	bpf_trace_printk("Hello from elsewhere!", 22);
	return 0;
}}
"""

# clang writes a static function behind the one that calls it, so this one is not.
HELPER_FIRST = f"""{objects.PRINTK}
__attribute__((noinline)) int helper(int a) {{ asm volatile("" : "+r"(a)); return a * 3; }}
int func(void *ctx)
{{
	char msg[] = "three times 14 is %d";

	bpf_trace_printk(msg, sizeof(msg), helper(14));
	return 0;
}}
"""


def verdict(built: Built) -> dict[str, object]:
    (result,) = json.loads(built.stdout)["results"]
    assert isinstance(result, dict)
    return result


@pytest.mark.kernel
def test_fault_01_the_blogs_program_is_compiled_so_that_the_kernel_takes_it(project: Project) -> None:
    project.settings("prog")
    project.write("bpf_src/prog.c", BLOG)
    assert verdict(project.doit("verify", "--json"))["verdict"] == "accepted"


def test_fault_01_a_call_through_a_pointer_is_refused_at_its_line_before_the_kernel_sees_it(
    project: Project,
) -> None:
    project.settings("prog", each='cflags = ["-O0"]')
    project.write("bpf_src/prog.c", BLOG)
    built = project.doit("verify", status=2)
    assert (
        "bpf_src/prog.c:8:2: error: calls through a pointer (callx), which the kernel does not run\n"
        "  help: compile with -O2" in built.stderr
    )
    assert not project.path("build/prog/verifier").exists()


def test_fault_02_the_folder_of_asm_types_h_is_asked_for(project: Project) -> None:
    found = clang.find(Sources(project.root))
    assert any(Path(folder, "asm/types.h").is_file() for folder in found.includes + found.host_includes)
    for path in Path(bpfline.__file__).parent.rglob("*"):
        if path.suffix in (".py", ".j2"):
            assert not re.search(r"[a-z0-9_]+-linux-gnu", path.read_text()), path


def test_fault_02_where_clang_has_no_host_target_dpkg_architecture_is_asked(project: Project) -> None:
    """A clang that compiles for BPF alone; Python knows the folder's name too."""
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    tool(project, "dpkg-architecture", f"echo {multiarch}")
    real = shutil.which("clang")
    tool(project, "clang", f'case "$*" in *"-target bpf"* | --version) exec {real} "$@" ;; esac; exit 1')
    project.settings("prog")
    project.write("bpf_src/prog.c", BLOG)
    project.doit("build", env={**project.env, "PATH": f"{project.path('bin')}:{project.env['PATH']}"})
    kept = json.loads(project.path("build/.clang.json").read_text())
    assert kept["path"] == str(project.path("bin/clang"))
    assert kept["host_includes"] == ([f"/usr/include/{multiarch}"] if multiarch else [])


def tool(project: Project, name: str, script: str) -> None:
    path = project.write(f"bin/{name}", f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_fault_03_the_dump_leaves_the_object_untouched(tmp_path: Path) -> None:
    made = objects.compiled(objects.RICH, tmp_path)
    made.chmod(0o444)
    os.utime(made, ns=(1_000_000_000, 1_000_000_000))
    before, content = made.stat(), made.read_bytes()
    assert sections.dump(elf.read(made), tmp_path / "sections", "llvm-objcopy")
    after = made.stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_ctime_ns) == (
        before.st_ino,
        before.st_mtime_ns,
        before.st_ctime_ns,
    )
    assert made.read_bytes() == content


@pytest.mark.parametrize("length", [0, 7, 12])
def test_fault_05_a_file_of_other_than_whole_instructions_is_refused_by_the_loader(
    length: int, project: Project
) -> None:
    project.settings("prog")
    project.program("prog", 1)
    project.build()
    insns = project.path("build/prog/programs/prog.insns")
    insns.write_bytes(insns.read_bytes()[:length])
    with pytest.raises(BundleError, match=r"no instructions|not a multiple of 8"):
        bundle.read(project.path("build/prog"))


@pytest.mark.kernel
def test_fault_06_the_tracepoints_id_is_what_this_kernel_says() -> None:
    with tracefs.found() as files:
        for name in ("syscalls/sys_enter_execve", "sched/sched_switch"):
            with os.fdopen(files.open(f"events/{name}/id")) as file:
                assert tracefs.tracepoint_id(files, name) == int(file.read())


@pytest.mark.kernel
def test_fault_10_a_string_beside_the_text_is_loaded_with_it(project: Project) -> None:
    project.settings("prog")
    project.write("bpf_src/prog.c", ELSEWHERE)
    assert verdict(project.doit("build", "verify", "--json"))["verdict"] == "accepted"
    (strings,) = json.loads(project.path("build/prog/loader.json").read_text())["maps"]
    assert strings["section"] == ".rodata.str1.1"
    # .text alone would be wrong: there is no C loader that loads it.
    assert not project.path("build/prog/loader.c").exists()


@pytest.mark.kernel
@pytest.mark.parametrize("length", [2, 20, 200, 400])
def test_fault_10_a_string_on_the_stack_works_short_and_long(length: int, project: Project) -> None:
    project.settings("prog")
    project.write("bpf_src/prog.c", BLOG.replace("Hello!", "x" * length))
    assert verdict(project.doit("build", "verify", "--json"))["verdict"] == "accepted"
    assert b"x" * min(length, 4) in project.path("build/prog/sections/text.bin").read_bytes()


@pytest.mark.kernel
def test_fault_11_with_a_helper_before_it_the_program_begins_at_its_entry(project: Project) -> None:
    project.settings("prog")
    project.write("bpf_src/prog.c", HELPER_FIRST)
    result = verdict(project.doit("build", "verify", "--json"))
    assert (result["program"], result["verdict"]) == ("func", "accepted")
    text = project.path("build/prog/sections/text.bin").read_bytes()
    program = project.path("build/prog/programs/func.insns").read_bytes()
    assert len(program) == len(text) == result["xlated_bytes"]
    helper = text[: text.index(bytes([0x95, *bytes(7)])) + 8]  # to its exit
    assert program == _with_its_call_to_the_end(text.removeprefix(helper)) + helper
    # What .text alone cannot do is not offered: no loader.c that would begin at the helper.
    assert not project.path("build/prog/loader.c").exists()


def _with_its_call_to_the_end(entry: bytes) -> bytes:
    """entry with the only call to another function going to the function behind it."""
    insns = bytearray(entry)
    (at,) = (at for at in range(0, len(entry), 8) if entry[at] == 0x85 and entry[at + 1] >> 4 == 1)
    insns[at + 4 : at + 8] = (len(entry) // 8 - at // 8 - 1).to_bytes(4, "little")
    return bytes(insns)


# What a program consists of, and what it returns.
CALLS = {
    "a_static_function": (
        "NOINLINE int f(int a) { HIDE(a); return a + 40; } MAIN { return f(2); }",
        42,
    ),
    "a_global_function_which_has_a_relocation": (
        "GLOBAL int f(int a) { HIDE(a); return a + 40; } MAIN { return f(2); }",
        42,
    ),
    "a_function_behind_the_entry": (
        "NOINLINE int f(int a); MAIN { return f(2); } NOINLINE int f(int a) { HIDE(a); return a + 40; }",
        42,
    ),
    "calls_three_deep": (
        "NOINLINE int c(int a) { HIDE(a); return a * 2; } GLOBAL int b(int a) { HIDE(a); return c(a) + 1; }"
        "NOINLINE int a(int x) { HIDE(x); return b(x) * 10; } MAIN { return a(3); }",
        70,
    ),
    "one_function_called_twice": (
        "NOINLINE int f(int a) { HIDE(a); return a + 40; } MAIN { return f(2) * 1000 + f(3); }",
        42043,
    ),
    "a_callee_that_two_others_share": (
        "GLOBAL int s(int a) { HIDE(a); return a * a; } NOINLINE int f(int a) { HIDE(a); return s(a) + 1; }"
        "NOINLINE int g(int a) { HIDE(a); return s(a) + 2; } MAIN { return f(3) * 100 + g(5); }",
        1027,
    ),
}


@pytest.mark.kernel
@pytest.mark.parametrize("name", CALLS)
def test_fault_11_a_linked_program_computes_what_its_source_says(name: str, tmp_path: Path) -> None:
    text, number = CALLS[name]
    words = """
#define HIDE(a) asm volatile("" : "+r"(a))
#define GLOBAL __attribute__((noinline))
#define MAIN int prog(void *ctx)
"""
    made = objects.compiled(objects.NOINLINE + words + text + "\n", tmp_path)
    (program,) = objects.audited(made, license="GPL").programs
    assert program.name == "prog"
    assert objects.returned(program.insns) == number


def test_fault_11_where_the_entry_is_not_plain_the_candidates_and_the_setting_are_named(
    project: Project,
) -> None:
    two = "int first(void *ctx) { return 1; }\nint second(void *ctx) { return 2; }\n"
    project.settings("prog")
    project.write("bpf_src/prog.c", two)
    built = project.build(status=1)
    assert (
        "bpf_src/prog.c: error: has several functions that nobody calls: first, second\n"
        '  help: name the one to start at: entry = "..." in [tool.bpfline.object."prog"]' in built.stderr
    )
    project.settings("prog", each='entry = "second"')
    project.build()
    (insns,) = objects.instructions(project.path("build/prog/programs/second.insns").read_bytes())[:1]
    assert insns[-1] == 2
    project.settings("prog", each='entry = "third"')
    assert "has no function third, which its setting 'entry' names" in project.build(status=1).stderr


def test_fault_11_functions_that_only_call_each_other_need_the_setting(tmp_path: Path) -> None:
    text = """__attribute__((noinline)) int a(int x);
__attribute__((noinline)) int b(int x) { return x ? a(x - 1) + 2 : 0; }
__attribute__((noinline)) int a(int x) { return x ? b(x - 1) * 3 : 0; }
"""
    made = objects.compiled(text, tmp_path)
    with pytest.raises(AuditError, match="only functions that call each other: b, a"):
        objects.audited(made)
    assert objects.audited(made, entry="a", license="GPL").programs[0].name == "a"


def test_every_test_that_is_named_above_is_there() -> None:
    named = re.findall(r"^ +(tests/\S+)::(test_\w+)$", __doc__, re.MULTILINE)
    assert len(named) > 10
    root = Path(__file__).parent.parent
    for path, test in named:
        assert f"def {test}(" in (root / path).read_text()
