# SPDX-License-Identifier: Apache-2.0
"""Uprobes run where a function of a file begins, uretprobes where it returns; names are found in the file."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

import counting
from bpfline_loader import bpf, elf_symbols
from bpfline_loader.attach import uprobe
from bpfline_loader.errors import Problem
from counting import bundle, descriptors, loaded
from running import program_ids, until

_SOURCE = """
__attribute__((noinline)) int probed(int x) { __asm__ volatile("" ::: "memory"); return x + 1; }
__attribute__((noinline)) static int same(int x) { __asm__ volatile("" ::: "memory"); return x; }
int calls_it(int x) { return same(x) + 1; }
__attribute__((weak)) int weak(int x) { return x; }
int data_of_that_name;
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shared library whose functions only these tests call."""
    folder = tmp_path_factory.mktemp("uprobe")
    (folder / "probed.c").write_text(_SOURCE)
    made = folder / "libbpflineprobed.so"
    compiler = shutil.which("gcc") or "clang"  # which ./doit installs
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", made, "probed.c"], cwd=folder, check=True)
    return made


@pytest.mark.kernel
@pytest.mark.parametrize("section", ["uprobe", "uretprobe"])
def test_it_runs_once_for_each_call_and_not_after(library: Path, section: str) -> None:
    functions = ctypes.CDLL(str(library))
    before = descriptors()
    with loaded(bundle("kprobe", f"{section}//lib", f"{library}:probed")) as counting_:
        attachment = counting_.attach()
        assert attachment.target == f"{section} {library}:probed"
        for _ in range(7):
            functions.probed(1)
        assert counting_.count == 7
        attachment.close()
        functions.probed(1)
        assert counting_.count == 7
    assert descriptors() == before


@pytest.mark.kernel
def test_it_runs_in_other_processes_on_every_processor(library: Path) -> None:
    with loaded(bundle("kprobe", "uprobe//lib", f"{library}:probed")) as counting_:
        attachment = counting_.attach()
        calls = f"import ctypes; ctypes.CDLL({str(library)!r}).probed(1)"
        for cpu in sorted(os.sched_getaffinity(0)):
            subprocess.run(["taskset", "-c", str(cpu), "python3", "-c", calls], check=True)
        assert counting_.count == len(os.sched_getaffinity(0))
        attachment.close()


@pytest.mark.kernel
def test_sigkill_detaches_it(library: Path) -> None:
    def attaches() -> int:
        with loaded(bundle("kprobe", "uprobe//lib", f"{library}:probed")) as counting_:
            counting_.attach()
            return bpf.prog_info(counting_.fd).id

    with counting.child(attaches) as (pid, program):
        assert program in program_ids()
        os.kill(pid, signal.SIGKILL)
        until(lambda: program not in program_ids())


@pytest.mark.kernel
def test_a_kprobe_program_is_not_taken_for_a_uprobe() -> None:
    what = bundle("kprobe", "kprobe/do_unlinkat", "do_unlinkat")
    with loaded(what) as counting_, pytest.raises(Problem, match="kprobe programs cannot be attached"):
        counting_.attach()


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("/bin/true", "does not say what to probe"),
        (":main", "does not say what to probe"),
        ("/no/such/file:main", "cannot be read: ENOENT"),
        ("no-such-program:main", "is not found"),
        ("libnosuch.so.1:main", "is not found"),
        ("/etc/passwd:main", "is damaged, or no ELF file"),
        ("{}:prob", "did you mean probed?"),
        ("{}:data_of_that_name", "has no function data_of_that_name"),
    ],
)
def test_a_wrong_target_is_one_clear_problem(library: Path, target: str, said: str) -> None:
    with loaded(bundle("kprobe", "uprobe", target.format(library))) as counting_:
        before = descriptors()
        with pytest.raises(Problem) as caught:
            counting_.attach()
        assert said in str(caught.value)
        assert descriptors() == before


@pytest.mark.kernel
def test_the_kernel_says_where_no_instruction_begins(library: Path) -> None:
    with loaded(bundle("kprobe", "uprobe", f"{library}:probed+0x7fffffff")) as counting_:
        with pytest.raises(Problem) as caught:
            counting_.attach()
        assert "takes no uprobe at that offset" in caught.value.help


def test_an_offset_is_added_and_a_uretprobe_has_none(library: Path) -> None:
    start = uprobe.place(f"{library}:probed", False).offset
    assert uprobe.place(f"{library}:probed+4", False).offset == start + 4
    assert uprobe.place(f"{library}:probed+0x10", False).offset == start + 16
    with pytest.raises(Problem, match="a uretprobe has no offset"):
        uprobe.place(f"{library}:probed+4", True)


def test_a_bare_name_is_looked_for_as_a_program_or_a_library(library: Path, monkeypatch) -> None:
    assert uprobe.found("env") in ("/usr/bin/env", "/bin/env")
    assert Path(uprobe.found("libc.so.6")).exists()
    monkeypatch.setenv("LD_LIBRARY_PATH", str(library.parent))
    assert uprobe.found(library.name) == str(library)
    assert uprobe.found("./x") == "./x"


def _functions(path: str) -> dict[str, set[int]]:
    """Name to the offsets of all functions of that name, from pyelftools and by sections, as libbpf."""
    found: dict[str, set[int]] = {}
    with Path(path).open("rb") as file:
        elf = ELFFile(file)
        for table in elf.iter_sections():
            if not isinstance(table, SymbolTableSection):
                continue
            for symbol in table.iter_symbols():
                if symbol["st_info"]["type"] == "STT_FUNC" and isinstance(symbol["st_shndx"], int):
                    section = elf.get_section(symbol["st_shndx"])
                    offset = symbol["st_value"] - section["sh_addr"] + section["sh_offset"]
                    found.setdefault(symbol.name, set()).add(offset)
    return found


@pytest.mark.parametrize("name", ["libc.so.6", "libm.so.6", "bash"])
def test_every_function_of_real_files_is_where_pyelftools_finds_it(name: str) -> None:
    path = uprobe.found(name)
    expected = _functions(path)
    assert len(expected) > 300
    # One reading of the file for each name: a part of the names will do.
    unique = [name for name, offsets in sorted(expected.items()) if len(offsets) == 1]
    for function in unique[:: max(1, len(unique) // 40)]:
        assert {elf_symbols.offset(path, function)} == expected[function]


def test_of_several_versions_one_must_be_named() -> None:
    path = uprobe.found("libc.so.6")
    several = next(name for name, offsets in _functions(path).items() if len(offsets) > 1 and name[0] == "p")
    with pytest.raises(Problem, match="has more than one function") as caught:
        elf_symbols.offset(path, several)
    versions = caught.value.help.removeprefix("name one: ").split(", ")
    assert len({elf_symbols.offset(path, version) for version in versions}) == len(versions) > 1


def test_static_functions_and_weak_ones_are_found(library: Path) -> None:
    assert {elf_symbols.offset(str(library), "same")} == _functions(str(library))["same"]
    assert {elf_symbols.offset(str(library), "weak")} == _functions(str(library))["weak"]


def test_a_damaged_file_is_one_clear_problem(library: Path, tmp_path: Path) -> None:
    whole = library.read_bytes()
    damaged = tmp_path / "damaged.so"
    for at in (*range(64), *range(64, len(whole), 997)):
        for data in (whole[:at], whole[:at] + b"\xff" * 8 + whole[at + 8 :]):
            damaged.write_bytes(data)
            try:
                elf_symbols.offset(str(damaged), "probed")
            except Problem as problem:
                assert problem.what in ("is damaged, or no ELF file", "has no function probed")
