# SPDX-License-Identifier: Apache-2.0
"""The host's C compiler: which one is found, and that a program is whole or not there."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from bpfline import host_compiler
from bpfline.errors import SettingsError, ToolError


def only(folder: Path, *names: str) -> str:
    """A PATH with these commands and no other."""
    folder.mkdir()
    for name in names:
        found = shutil.which(name)
        assert found
        (folder / name).symlink_to(found)
    return str(folder)


@pytest.fixture(autouse=True)
def no_cc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)


def test_gcc_comes_before_clang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", only(tmp_path / "bin", "clang"))
    (tmp_path / "bin/gcc").symlink_to(tmp_path / "bin/clang")  # a machine may have clang alone
    compiler = host_compiler.find()
    assert compiler is not None
    assert compiler.argv == ("gcc",)
    assert "clang version" in compiler.version


def test_clang_serves_where_there_is_no_gcc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", only(tmp_path / "bin", "clang"))
    compiler = host_compiler.find()
    assert compiler is not None
    assert compiler.argv == ("clang",)


def test_without_a_compiler_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", only(tmp_path / "bin"))
    assert host_compiler.find() is None


def test_a_compiler_without_headers_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = tmp_path / "gcc"
    compiler.write_text(f'#!/bin/sh\nexec {shutil.which("clang")} -nostdlibinc "$@"\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert host_compiler.find() is None


def test_cc_is_split_into_words_and_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "clang -DNAME='two words'")
    compiler = host_compiler.find()
    assert compiler is not None
    assert compiler.argv == ("clang", "-DNAME=two words")


@pytest.mark.parametrize("cc", ["no-such-compiler", "clang 'open", "clang --no-such-flag"])
def test_a_cc_that_does_not_work_is_the_users_mistake(cc: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", cc)
    with pytest.raises(SettingsError, match="CC="):
        host_compiler.find()


def compiled(source: Path, into: Path) -> str:
    compiler = host_compiler.find()
    assert compiler is not None
    return host_compiler.compile(compiler, source, into)


def test_a_program_is_made_from_a_name_with_a_leading_dash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("-o x.c").write_text("int main(void) { return 7; }\n")
    assert compiled(Path("-o x.c"), Path("out/-program")) == ""
    assert subprocess.run([tmp_path / "out/-program"]).returncode == 7
    assert [file.name for file in Path("out").iterdir()] == ["-program"]


def test_a_failure_names_the_complaint_and_leaves_what_stood_there(tmp_path: Path) -> None:
    source, program = tmp_path / "bad.c", tmp_path / "program"
    source.write_text("int main(void) { return nothing_of_that_name; }\n")
    program.write_text("the earlier one")
    with pytest.raises(ToolError, match=r"bad\.c.*nothing_of_that_name"):
        compiled(source, program)
    assert program.read_text() == "the earlier one"
    assert {file.name for file in tmp_path.iterdir()} == {"bad.c", "program"}


def test_a_warning_is_handed_back(tmp_path: Path) -> None:
    source = tmp_path / "warned.c"
    source.write_text("int main(void) { int unused; return 0; }\n")
    assert "unused" in compiled(source, tmp_path / "program")
