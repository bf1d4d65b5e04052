# SPDX-License-Identifier: Apache-2.0
"""python3 -m bpfline_loader: exit status, and one line for what goes wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

import assemble
from kernel_state import who_can_run_us
from running import environment


def loader(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    command = [sys.executable, "-m", "bpfline_loader", *map(str, arguments)]
    return subprocess.run(command, env=environment(), text=True, **options)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    assemble.make_bundle(tmp_path / "good", assemble.says(b"x"))
    return tmp_path / "good"


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    assemble.make_bundle(tmp_path / "bad", assemble.refused())
    return tmp_path / "bad"


@pytest.mark.parametrize(
    "arguments",
    [(), ("run",), ("verify",), ("walk", "x"), ("run", "--for", "-1", "x"), ("run", "--for", "nan", "x")],
)
def test_a_wrong_command_line_is_3_with_one_line_and_its_help(arguments: tuple[str, ...]) -> None:
    done = loader(*arguments)
    assert done.returncode == 3
    assert "error: " in done.stderr.splitlines()[0] and len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize("command", ["run", "verify"])
def test_a_missing_bundle_is_2(tmp_path: Path, command: str) -> None:
    done = loader(command, tmp_path / "none")
    assert done.returncode == 2
    assert "there is no bundle here" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        ('"type": "tracepoint"', '"type": ["tracepoint"]', "type: is not a string"),
        ('"name": "main"', '"name": 3', "name: is not a string"),
        ('"attach": "syscalls/sys_enter_execve"', '"attach": 5', "attach: is not a string"),
        ('"programs/main.insns"', '"a\\u0000b"', "names a file outside programs/"),
        ('"insns": "programs', '"insns": "../programs', "names a file outside programs/"),
    ],
)
def test_a_damaged_description_is_2_and_says_what(good: Path, before: str, after: str, what: str) -> None:
    path = good / "loader.json"
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))
    for command in ("run", "verify"):
        done = loader(command, good)
        assert done.returncode == 2
        assert what in done.stderr.splitlines()[0] and "Traceback" not in done.stderr


@pytest.mark.kernel
def test_verify_prints_a_row_for_each_program_and_the_reason_of_a_refusal(good: Path, bad: Path) -> None:
    done = loader("verify", good, bad)
    head, accepted, refused, reason = done.stdout.splitlines()
    assert head.split() == ["program", "verdict", "insns", "states", "stack", "usec", "jited", "tag", "note"]
    assert accepted.split()[:2] == ["good/main", "accepted"]
    assert refused.split()[:2] == ["bad/main", "refused"]
    assert reason == "  EACCES: R0 !read_ok"
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.kernel
def test_one_unreadable_bundle_does_not_hide_the_verdicts_on_others(good: Path, tmp_path: Path) -> None:
    done = loader("verify", "--json", tmp_path / "none", good)
    (result,) = json.loads(done.stdout)["results"]
    assert (result["object"], result["verdict"]) == ("good", "accepted")
    assert done.returncode == 2


@pytest.mark.kernel
def test_a_verdict_is_cached_unless_it_is_asked_for_again(good: Path) -> None:
    outputs = [loader("verify", *again, good).stdout for again in ((), (), ("--again",))]
    assert ["cached" in output for output in outputs] == [False, True, False]


@pytest.mark.kernel
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write what is not its own")
def test_what_root_writes_into_a_users_bundle_is_the_users() -> None:
    with tempfile.TemporaryDirectory() as name:  # a folder that any user can look into
        Path(name).chmod(0o755)
        folder = Path(name, "good")
        assemble.make_bundle(folder, assemble.says(b"x"))
        for path in (folder, *folder.rglob("*")):
            os.chown(path, 65534, 65534)
        assert loader("verify", folder).returncode == 0
        made = [path for path in folder.rglob("*") if "verifier" in path.parts]
        assert made and {path.stat().st_uid for path in made} == {who_can_run_us()}


@pytest.mark.kernel
def test_a_table_that_nobody_reads_is_no_traceback(good: Path) -> None:
    with subprocess.Popen(["true"], stdin=subprocess.PIPE) as gone:
        gone.wait()
        done = loader("verify", good, stdout=gone.stdin)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.kernel
def test_no_colour_where_no_terminal_is(good: Path) -> None:
    assert "\x1b" not in loader("verify", good).stdout


def test_version_names_the_schema_of_the_bundles_that_it_takes() -> None:
    done = loader("--version")
    assert (done.returncode, done.stdout.rpartition(" ")[2]) == (0, "1\n")
