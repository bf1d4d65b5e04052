# SPDX-License-Identifier: Apache-2.0
"""The README on a fresh copy of the repository: each of its commands but the suite itself."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
COMMANDS = [
    line.partition("#")[0].strip()
    for block in re.findall(r"^```sh\n(.*?)^```", README, re.M | re.S)
    for line in block.splitlines()
]
SUITE = "sudo ./doit test"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The files of the repository and nothing else, in a folder whose name has a space."""
    clone = tmp_path_factory.mktemp("fresh clone")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).exists():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone / name)
    yield clone
    shutil.rmtree(clone)


def test_the_readme_says_the_two_commands() -> None:
    assert COMMANDS[:2] == ["sudo ./doit run", SUITE]


@pytest.mark.kernel
@pytest.mark.timeout(400)
def test_the_first_command_on_a_fresh_clone_shows_lines_from_the_kernel(clone: Path) -> None:
    with (clone / "run.err").open("wb") as err:
        run = subprocess.Popen(
            ["./doit", "run"], cwd=clone, stdout=subprocess.PIPE, stderr=err, env=_environment()
        )
    try:
        _until(lambda: "Ctrl-C ends" in (clone / "run.err").read_text() or run.poll() is not None, 300)
        assert run.poll() is None, (clone / "run.err").read_text()
        executed = subprocess.Popen(["/bin/true"])
        executed.wait()
        run.send_signal(signal.SIGINT)
        out = run.communicate(timeout=30)[0].decode()
    finally:
        run.kill()
        run.wait()
    (clone / "run.err").unlink()
    assert run.returncode == 0
    line = re.search(rf"^.*-{executed.pid} .*$", out, re.M)
    assert line and line[0].endswith("bpf_trace_printk: Hi! A program was executed.")


@pytest.mark.kernel
@pytest.mark.timeout(400)
@pytest.mark.parametrize("command", [line for line in COMMANDS[1:] if line != SUITE])
def test_each_further_command_works(clone: Path, command: str) -> None:
    result = _command(clone, command)
    assert result.returncode == 0, result.stderr
    if "verdicts.json" in command:
        rows = json.loads((clone / "verdicts.json").read_text())["results"]
        assert [row["verdict"] for row in rows] == ["accepted"]
        (clone / "verdicts.json").unlink()


@pytest.mark.kernel
@pytest.mark.timeout(400)
def test_build_holds_each_artifact_of_the_table_and_the_c_loader_runs(clone: Path) -> None:
    assert _command(clone, "./doit verify build").returncode == 0
    kernel = os.uname().release
    table = README.partition("## What appears in build/")[2].partition("\n## ")[0]
    for names in re.findall(r"^\| (`.*?) \|", table, re.M):
        for name in re.findall(r"`([^`]+)`", names):
            assert (clone / "build" / name.replace("<kernel>", kernel)).exists(), name
    loader = re.search(r"`(build/prog/loader [^`]+)`", table)
    assert loader
    result = _command(clone, f"{loader[1]} 1")
    assert result.returncode == 0, result.stderr


@pytest.mark.kernel
@pytest.mark.timeout(400)
def test_a_changed_text_is_what_the_kernel_says_next(clone: Path) -> None:
    source = clone / "bpf_src/prog.c"
    source.write_text(source.read_text().replace("Hi! A program", "Ho! Another program"))
    run = subprocess.Popen(
        ["./doit", "run", "--for", "2"],
        cwd=clone,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment(),
    )
    while run.poll() is None:
        subprocess.run(["/bin/true"])
        time.sleep(0.05)
    assert run.communicate()[0].count(b"bpf_trace_printk: Ho! Another program was executed.") > 3


def _command(clone: Path, command: str) -> subprocess.CompletedProcess[bytes]:
    """A command of the README's: without its sudo, for these tests are root where they load."""
    words, _, into = command.partition(" > ")
    argv = [word for word in shlex.split(words) if word != "sudo"]
    if argv[0] == "python3":
        argv[0] = str(clone / ".venv/bin/python")
    result = subprocess.run(
        argv, cwd=clone, capture_output=True, env=_environment(), stdin=subprocess.DEVNULL
    )
    if into:
        (clone / into).write_bytes(result.stdout)
    return result


def _environment() -> dict[str, str]:
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))
    }


def _until(condition: object, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "never came true"
        time.sleep(0.05)
