# SPDX-License-Identifier: Apache-2.0
"""What the tests share: a project of its own in an empty folder, built as a user builds one."""

from __future__ import annotations

import os
import re
import signal
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest_plugins = ["kernel_state"]

# It is ignored in what a script starts in the background, and children inherit that: Ctrl-C is tested.
signal.signal(signal.SIGINT, signal.default_int_handler)

DOIT = Path(sys.executable).with_name("doit")
# Becomes a user who can read what is under /root, where this repository may be, and has no other right.
NOBODY = (
    *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
    *("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"),
    "--bounding-set=-all,+dac_read_search",
)
DODO = "from bpfline.pipeline import *  # noqa: F403\n"


@dataclass(frozen=True)
class Built:
    """How a doit command ended. ran, uptodate: names of tasks; why: each that ran with its reason."""

    status: int
    stdout: str
    stderr: str

    @property
    def ran(self) -> set[str]:
        found = re.findall(r"^\.  (\S+)", self.stderr, re.MULTILINE)
        assert len(found) == len(set(found)), f"ran twice: {self.stderr}"
        return set(found)

    @property
    def why(self) -> dict[str, str]:
        return dict(re.findall(r"^\.  (\S+)  \((.*)\)$", self.stderr, re.MULTILINE))

    @property
    def uptodate(self) -> set[str]:
        return set(re.findall(r"^-- (\S+)", self.stderr, re.MULTILINE))


@dataclass(frozen=True)
class Project:
    """A project of bpfline's at root, and the environment that doit gets there."""

    root: Path
    env: Mapping[str, str]

    def path(self, name: str) -> Path:
        return self.root / name

    def write(self, name: str, text: str) -> Path:
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def settings(self, *objects: str, more: str = "", each: str = "") -> None:
        """A pyproject.toml where objects are licensed tracepoint programs that attach nowhere, so that
        no C loader is compiled; more stands in [tool.bpfline], each in every object's table."""
        tables = (
            f'[tool.bpfline.object."{name}"]\ntype = "tracepoint"\nlicense = "GPL"\n{each}\n'
            for name in objects
        )
        self.write("pyproject.toml", f"[tool.bpfline]\n{more}\n" + "".join(tables))

    def program(self, name: str, value: object, above: str = "") -> None:
        """A source for the object called name: a program that returns value."""
        function = re.sub(r"\W", "_", Path(name).name)
        self.write(f"bpf_src/{name}.c", f"{above}\nint {function}(void *ctx) {{ return {value}; }}\n")

    def returned(self, name: str) -> int:
        """What the program in build/<name>/ returns, by its instructions in every artifact alike."""
        folder = self.path(f"build/{name}")
        (insns,) = (path.read_bytes() for path in (folder / "programs").iterdir())
        assert (folder / "sections/text.bin").read_bytes() == insns
        assert insns in (folder / f"{folder.name}.o").read_bytes()
        code, value, leave = struct.unpack("=IiQ", insns)
        assert code in (0xB7, 0xB4)  # r0 = value, w0 = value
        assert leave == 0x95  # exit
        return int(value)

    def start(self, *args: str, before: Sequence[str] = (), **options: Any) -> subprocess.Popen[str]:
        """doit with args in the background, started by the command before; the caller waits for it."""
        options = {
            "cwd": self.root,
            "env": self.env,
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
            **options,
        }
        return subprocess.Popen([*before, DOIT, *args], **options)

    def doit(self, *args: str, status: int = 0, **options: Any) -> Built:
        """doit with args; it must end with status, and never with a traceback."""
        return ended(self.start(*args, **options), status)

    def build(self, *args: str, status: int = 0) -> Built:
        return self.doit("build", *args, status=status)


def ended(process: subprocess.Popen[str], status: int) -> Built:
    """Wait for a doit that was started; it must end with status, and never with a traceback."""
    with process:
        try:
            stdout, stderr = process.communicate(timeout=100)
        except BaseException:
            process.kill()
            raise
    built = Built(process.returncode, stdout or "", stderr or "")
    assert "Traceback" not in built.stdout + built.stderr, built.stdout + built.stderr
    assert built.status == status, built.stdout + built.stderr
    return built


def make_project(root: Path, **env: str) -> Project:
    """An empty project at root: a dodo.py of one line and a folder for sources. Its environment has
    nothing of whoever runs the tests but the way to the tools."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
    project = Project(root, {**kept, **env})
    project.write("dodo.py", DODO)
    project.path("bpf_src").mkdir()
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An empty project in a folder of its own."""
    return make_project(tmp_path)
