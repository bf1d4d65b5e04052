# SPDX-License-Identifier: Apache-2.0
"""A bundle through the verifier: its verdicts, their logs, and what makes a verdict old."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import bpfline_loader
import insns
from bpfline_loader import kernel, privileges
from bpfline_loader.bundle import Bundle, Program
from bpfline_loader.errors import Problem
from bpfline_loader.saved import log_names
from bpfline_loader.verify import NotKept, verify
from insns import program

GOOD, BAD = program(insns.accepted(2), "good"), program(insns.refused(1), "bad")
PACKAGE = Path(bpfline_loader.__file__).parent


def bundle(folder: Path | None, *programs: Program) -> Bundle:
    return Bundle("x", "x.bpf.c", "GPL", sys.byteorder, "clang 14", "v3", programs or (GOOD, BAD), folder)


def place(folder: Path) -> Path:
    return folder / "verifier" / os.uname().release


@pytest.mark.kernel
def test_each_program_has_its_verdict_its_log_and_its_row(tmp_path: Path) -> None:
    good, bad = verify(bundle(tmp_path))
    assert (good.object, good.program, good.section, good.type) == ("x", "good", ".text", "tracepoint")
    assert (good.kernel, good.clang, good.mcpu) == (os.uname().release, "clang 14", "v3")
    assert (good.verdict, good.errno, good.message, good.cached) == ("accepted", None, "", False)
    assert (good.processed_insns, good.stack_depth, good.xlated_bytes) == (2, 0, 16)
    assert good.tag is not None and len(bytes.fromhex(good.tag)) == 8
    assert (bad.verdict, bad.errno, bad.message) == ("refused", "EACCES", "R0 !read_ok")
    assert (bad.processed_insns, bad.tag, bad.xlated_bytes) == (1, None, None)
    assert good.log == str(place(tmp_path) / "good.log")
    assert b"processed 2 insns" in Path(good.log).read_bytes()
    assert b"R0 !read_ok" in (place(tmp_path) / "bad.log").read_bytes()
    written = json.loads((place(tmp_path) / "verdict.json").read_bytes())
    assert written == {"schema": 1, "results": [dataclasses.asdict(good), dataclasses.asdict(bad)]}
    assert sorted(path.name for path in place(tmp_path).iterdir()) == ["bad.log", "good.log", "verdict.json"]
    assert insns.loaded("good") == []


@pytest.mark.kernel
def test_a_log_is_named_from_the_current_directory_where_it_is_below(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        good, _ = verify(bundle(Path("build/x")))
        assert good.log == f"build/x/verifier/{os.uname().release}/good.log"
    assert good.cached
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert verify(bundle(tmp_path / "build/x"))[0].log == str(place(tmp_path / "build/x") / "good.log")


@pytest.mark.kernel
def test_what_has_not_changed_is_not_verified_again(tmp_path: Path) -> None:
    first = verify(bundle(tmp_path))
    stamps = [path.stat().st_mtime_ns for path in sorted(place(tmp_path).glob("*.log"))]
    second = verify(bundle(tmp_path))
    assert second == [dataclasses.replace(row, cached=True) for row in first]
    assert stamps == [path.stat().st_mtime_ns for path in sorted(place(tmp_path).glob("*.log"))]
    rows = json.loads((place(tmp_path) / "verdict.json").read_bytes())["results"]
    assert [row["cached"] for row in rows] == [True, True]
    assert not any(row.cached for row in verify(bundle(tmp_path), again=True))


def changed(**fields: object) -> Callable[[Bundle], Bundle]:
    return lambda whole: dataclasses.replace(
        whole, programs=(dataclasses.replace(whole.programs[0], **fields), *whole.programs[1:])
    )


@pytest.mark.kernel
@pytest.mark.parametrize(
    "change",
    [changed(insns=insns.accepted(3)), changed(type="kprobe")],
    ids=["instructions", "type"],
)
def test_a_changed_program_is_verified_again_and_no_other(
    tmp_path: Path, change: Callable[[Bundle], Bundle]
) -> None:
    verify(bundle(tmp_path))
    assert [row.cached for row in verify(change(bundle(tmp_path)))] == [False, True]


@pytest.mark.kernel
def test_another_license_or_another_kind_of_log_is_verified_again(tmp_path: Path) -> None:
    verify(bundle(tmp_path))
    other = dataclasses.replace(bundle(tmp_path), license="MIT")
    assert [row.cached for row in verify(other)] == [False, False]
    assert [row.cached for row in verify(other, mode="full")] == [False, False]
    assert [row.cached for row in verify(other, mode="full")] == [True, True]


@pytest.mark.kernel
def test_other_settings_of_the_jit_are_verified_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "_JIT", tmp_path)
    setting = tmp_path / "bpf_jit_harden"
    setting.write_text("0\n")
    verify(bundle(tmp_path))
    assert verify(bundle(tmp_path))[0].cached
    setting.write_text("2\n")
    assert not verify(bundle(tmp_path))[0].cached


@pytest.mark.kernel
def test_a_log_that_cannot_be_written_costs_no_verdict_and_is_no_cached_one(tmp_path: Path) -> None:
    in_its_way = place(tmp_path) / "good.log" / "mine"
    in_its_way.mkdir(parents=True)
    with pytest.raises(NotKept, match="cannot be written") as raised:
        verify(bundle(tmp_path))
    found = {row.program: (row.verdict, row.log) for row in raised.value.results}
    assert found["good"] == ("accepted", None) and found["bad"][0] == "refused" and found["bad"][1]
    in_its_way.rmdir()
    in_its_way.parent.rmdir()
    again = {row.program: (row.cached, bool(row.log)) for row in verify(bundle(tmp_path))}
    assert again == {"good": (False, True), "bad": (True, True)}


@pytest.mark.kernel
def test_a_verdict_that_was_edited_and_contradicts_itself_is_asked_for_again(tmp_path: Path) -> None:
    verify(bundle(tmp_path))
    file = place(tmp_path) / "verdict.json"
    file.write_text(file.read_text().replace('"verdict": "refused"', '"verdict": "accepted"'))
    found = {row.program: (row.verdict, row.cached) for row in verify(bundle(tmp_path))}
    assert found == {"good": ("accepted", True), "bad": ("refused", False)}


@pytest.mark.kernel
def test_another_clang_with_the_same_instructions_is_told_and_not_verified_again(tmp_path: Path) -> None:
    verify(bundle(tmp_path))
    row = verify(dataclasses.replace(bundle(tmp_path), clang="clang 19"))[0]
    assert (row.cached, row.clang) == (True, "clang 19")


@pytest.mark.kernel
@pytest.mark.parametrize(
    "harm",
    [
        lambda log: log.unlink(),
        lambda log: log.write_bytes(log.read_bytes()[:-1]),
        lambda log: (log.unlink(), log.mkdir(), (log / "x").touch()),
    ],
    ids=["missing", "shorter", "a folder"],
)
def test_a_log_that_is_not_as_it_was_is_made_again(tmp_path: Path, harm: Callable[[Path], object]) -> None:
    log = place(tmp_path) / "good.log"
    before = verify(bundle(tmp_path))
    harm(log)
    if log.is_dir():
        with pytest.raises(Problem, match="cannot be written"):
            verify(bundle(tmp_path))
        shutil.rmtree(log)
    after = verify(bundle(tmp_path))
    assert [row.cached for row in after] == [False, True]
    assert log.read_bytes().startswith(b"func#0 @0\n") and before[0].key == after[0].key


@pytest.mark.kernel
def test_damaged_verdicts_are_made_again(tmp_path: Path) -> None:
    verify(bundle(tmp_path))
    (place(tmp_path) / "verdict.json").write_bytes(b'{"schema": 1, "results": [{"')
    assert [row.cached for row in verify(bundle(tmp_path))] == [False, False]
    assert [row.cached for row in verify(bundle(tmp_path))] == [True, True]


CHILD = """
import os, sys
from pathlib import Path
from bpfline_loader.bundle import Bundle, Program
from bpfline_loader.verify import verify
program = Program("good", ".text", "tracepoint", None, bytes.fromhex(sys.argv[2]))
bundle = Bundle("x", None, "GPL", sys.byteorder, None, None, (program,), Path(sys.argv[1]))
print(*(row.cached for row in verify(bundle)))
"""


def verified_by(loader: Path, folder: Path) -> str:
    command = [sys.executable, "-B", "-c", CHILD, str(folder), insns.accepted(2).hex()]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, env={"PYTHONPATH": str(loader)}
    ).stdout.strip()


@pytest.mark.kernel
def test_another_loader_verifies_again(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(PACKAGE, copy / "bpfline_loader", ignore=shutil.ignore_patterns("__pycache__"))
    assert verified_by(copy, tmp_path) == "False"
    assert verified_by(copy, tmp_path) == "True"
    with (copy / "bpfline_loader" / "errors.py").open("a") as file:
        file.write("# another one\n")
    assert verified_by(copy, tmp_path) == "False"


@pytest.mark.kernel
def test_a_loader_in_an_archive_knows_itself_too(tmp_path: Path) -> None:
    archive = tmp_path / "loader.zip"
    for note, cached in (("one", "False"), ("one", "True"), ("another", "False")):
        with zipfile.ZipFile(archive, "w") as whole:
            for path in sorted(PACKAGE.rglob("*.py")):
                info = zipfile.ZipInfo(str(path.relative_to(PACKAGE.parent)))  # always of the same time
                whole.writestr(info, path.read_bytes())
            whole.comment = note.encode()
        assert verified_by(archive, tmp_path) == cached


@pytest.mark.kernel
def test_programs_that_are_gone_take_their_logs_along(tmp_path: Path) -> None:
    verify(bundle(tmp_path))
    (place(tmp_path) / "notes.txt").touch()
    verify(bundle(tmp_path, BAD))
    assert sorted(path.name for path in place(tmp_path).iterdir()) == ["bad.log", "notes.txt", "verdict.json"]


@pytest.mark.kernel
def test_without_a_log_asked_for_there_is_none_and_the_verdict_is_cached(tmp_path: Path) -> None:
    verify(bundle(tmp_path))
    for cached in (False, True):
        rows = verify(bundle(tmp_path), mode="none")
        assert [(row.log, row.cached) for row in rows] == [(None, cached)] * 2
    assert rows[1].message == "R0 !read_ok"
    assert [path.name for path in place(tmp_path).iterdir()] == ["verdict.json"]


@pytest.mark.kernel
def test_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    good, bad = verify(bundle(None))
    assert (good.verdict, bad.message, good.log, bad.log) == ("accepted", "R0 !read_ok", None, None)
    assert list(tmp_path.iterdir()) == []
    assert verify(bundle(None), folder=tmp_path / "x")[0].log == str(
        (place(tmp_path / "x") / "good.log").relative_to(tmp_path)
    )


@pytest.mark.kernel
def test_a_name_of_any_kind_is_a_file_in_the_folder(tmp_path: Path) -> None:
    names = [
        "../../x",
        ".hidden",
        "a/b",
        "a_b",
        "x" * 300,
        "x" * 299,
        "",
        "a b\n",
        "ü",
        "\udcff",
        "-rf",
        "..",
    ]
    programs = [program(insns.accepted(2), name) for name in names]
    rows = verify(bundle(tmp_path, *programs))
    assert [row.verdict for row in rows] == ["accepted"] * len(names)
    logs = {Path(str(row.log)) for row in rows}
    assert len(logs) == len(names)
    assert {path.parent for path in logs} == {place(tmp_path)}
    assert all(path.is_file() and not path.name.startswith((".", "-")) for path in logs)
    assert all(row.cached for row in verify(bundle(tmp_path, *programs)))


def test_programs_of_one_name_have_a_log_each() -> None:
    twins = [program(b"", "main", section=section) for section in ("xdp", "tc", "tp")]
    assert log_names([*twins, GOOD]) == ["main.log", "main-2.log", "main-3.log", "good.log"]


@pytest.mark.kernel
def test_a_program_that_cannot_be_tried_does_not_stop_the_others(tmp_path: Path) -> None:
    odd = program(insns.accepted(2), "odd", kind="trace_point")
    for _ in range(2):
        rows = verify(bundle(tmp_path, odd, GOOD))
    assert [(row.verdict, row.cached, row.errno) for row in rows] == [
        ("error", False, "EINVAL"),
        ("accepted", True, None),
    ]
    assert "trace_point is not known" in rows[0].message and rows[0].log is None


@pytest.mark.kernel
def test_what_privilege_forbade_is_tried_again_with_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents[:3]:
        parent.chmod(parent.stat().st_mode | 0o011)
    theirs = insns.in_child(lambda: verify(bundle(tmp_path)), prepare=insns.become_nobody)
    assert [(row.verdict, row.errno, row.cached) for row in theirs] == [("error", "EPERM", False)] * 2
    assert "CAP_BPF" in theirs[0].message
    assert [row.verdict for row in verify(bundle(tmp_path))] == ["accepted", "refused"]


@pytest.mark.kernel
def test_lowered_from_root_the_files_belong_to_the_user(tmp_path: Path) -> None:
    os.chown(tmp_path, insns.NOBODY, insns.NOBODY)
    for parent in tmp_path.parents[:3]:
        parent.chmod(parent.stat().st_mode | 0o011)
    lower = lambda: privileges.lower(insns.NOBODY, insns.NOBODY)  # noqa: E731
    rows = insns.in_child(lambda: verify(bundle(tmp_path)), prepare=lower)
    assert [row.verdict for row in rows] == ["accepted", "refused"]
    assert {path.stat().st_uid for path in tmp_path.rglob("*")} == {insns.NOBODY}


@pytest.mark.kernel
def test_a_bundle_for_the_other_byte_order_is_an_error_that_says_so(tmp_path: Path) -> None:
    other = "big" if sys.byteorder == "little" else "little"
    rows = verify(dataclasses.replace(bundle(tmp_path), byteorder=other))
    assert {row.verdict for row in rows} == {"error"}
    assert f"built for {other}-endian machines" in rows[0].message
