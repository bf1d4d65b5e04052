# SPDX-License-Identifier: Apache-2.0
"""The command line: its exit statuses, its words, its start."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import bpfline
import bpfline_loader
from bpfline.cli import main

PACKAGES = os.pathsep.join(str(Path(package.__path__[0]).parent) for package in (bpfline, bpfline_loader))
BPFLINE = [sys.executable, "-m", "bpfline"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": PACKAGES}


def run(*args: str, **options: Any) -> subprocess.CompletedProcess[str]:
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.run([*BPFLINE, *args], env=ENVIRONMENT, text=True, **options)


def test_version() -> None:
    ended = run("--version")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "bpfline 0.1.0\n", "")


def test_help_names_each_command() -> None:
    ended = run("--help")
    assert ended.returncode == 0
    assert re.search(r"^ +doctor ", ended.stdout, re.M)
    assert re.search(r"^ +completion", ended.stdout, re.M)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["doctr"], "bpfline: error: there is no command 'doctr'\n  help: did you mean 'doctor'?\n"),
        (["x\ny"], "bpfline: error: there is no command 'x\\x0ay'\n  help: known are compare, "),
        (["doctor", "--jsn"], "bpfline: error: unrecognized arguments: --jsn\n  help: bpfline --help\n"),
        (["doctor", "more"], "bpfline: error: unrecognized arguments: more\n  help: bpfline --help\n"),
        (["completion"], "bpfline completion: error: the following arguments are required: shell\n"),
        ([], "usage: bpfline "),
    ],
)
def test_a_wrong_command_line_ends_with_3(
    args: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(args) == 3
    captured = capsys.readouterr()
    assert captured.err.startswith(words)
    assert captured.out == ""


def test_a_wrong_setting_ends_with_3_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.bpfline]\nclagn = 1\n")
    ended = run("doctor", cwd=tmp_path)
    assert ended.returncode == 3
    assert "did you mean 'clang'" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_closed_pipe_is_no_reason_to_complain() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ended = run("doctor", stdout=writing)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, "")


def test_a_full_disk_is_said_in_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        ended = run("doctor", stdout=full)
    assert (ended.returncode, ended.stderr) == (2, "bpfline: error: No space left on device\n")


def test_ctrl_c_ends_with_130_and_one_line(tmp_path: Path) -> None:
    # The doctor waits for this clang; so Ctrl-C comes while it works.
    begun, clang = tmp_path / "begun", tmp_path / "clang"
    clang.write_text(f"#!/bin/sh\n: > '{begun}'\nexec {shutil.which('sleep')} 60\n")
    clang.chmod(0o755)
    (tmp_path / "pyproject.toml").write_text(f"[tool.bpfline]\nclang = '{clang}'\n")
    process = subprocess.Popen(
        ["env", "--default-signal=INT", *BPFLINE, "doctor"],  # a shell's `&` has it ignored
        env=ENVIRONMENT, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not begun.exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (130, "", "bpfline: interrupted\n")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_knows_commands_and_options(shell: str) -> None:
    ended = run("completion", shell)
    assert ended.returncode == 0
    assert "doctor" in ended.stdout
    assert "--json" in ended.stdout


def test_bash_completes_with_it() -> None:
    script = run("completion", "bash").stdout
    asked = 'COMP_WORDS=(bpfline "$@"); COMP_CWORD=$#; _bpfline; echo "${COMPREPLY[@]}"'
    for words, answer in (
        (["doc"], "doctor"),
        (["doctor", "--j"], "--json"),
        (["completion", "f"], "fish"),
        (["explain", "BPF09"], "BPF090 BPF091 BPF092 BPF093"),
    ):
        ended = subprocess.run(["bash", "-c", script + asked, "bash", *words], capture_output=True, text=True)
        assert (ended.stdout, ended.stderr) == (answer + "\n", "")


def test_starting_imports_nothing_heavy() -> None:
    code = (
        "import sys, bpfline.cli; print(*{'rich', 'jinja2', 'elftools', 'doit', 'ctypes'} & set(sys.modules))"
    )
    ended = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (0, "\n")
