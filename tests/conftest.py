# SPDX-License-Identifier: Apache-2.0
"""What the tests share: a project of its own in an empty folder, built as a user builds one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

DOIT = Path(sys.executable).with_name("doit")
DODO = "from bpfline.pipeline import *  # noqa: F403\n"


@dataclass(frozen=True)
class Built:
    """How a doit command ended. ran, uptodate: names of tasks; why: each that ran with its reason."""

    status: int
    stdout: str
    stderr: str

    @property
    def ran(self) -> list[str]:
        return re.findall(r"^\.  (\S+)", self.stderr, re.MULTILINE)

    @property
    def why(self) -> dict[str, str]:
        return dict(re.findall(r"^\.  (\S+)  \((.*)\)$", self.stderr, re.MULTILINE))

    @property
    def uptodate(self) -> list[str]:
        return re.findall(r"^-- (\S+)", self.stderr, re.MULTILINE)


@dataclass(frozen=True)
class Project:
    """A project of bpfline's at root, with an environment of its own for doit."""

    root: Path
    env: Mapping[str, str]

    def path(self, name: str) -> Path:
        return self.root / name

    def write(self, name: str, text: str) -> Path:
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def start(self, *args: str, **options: Any) -> subprocess.Popen[str]:
        """doit with args in the background; the caller waits for it."""
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        options = {"cwd": self.root, "env": self.env, "text": True, "stdin": subprocess.DEVNULL} | pipes | options
        return subprocess.Popen([DOIT, *args], **options)

    def doit(self, *args: str, status: int = 0, **options: Any) -> Built:
        """doit with args; it must end with status, and never with a traceback."""
        with self.start(*args, **options) as process:
            stdout, stderr = process.communicate(timeout=100)
        built = Built(process.returncode, stdout or "", stderr or "")
        assert "Traceback" not in built.stdout + built.stderr, built.stdout + built.stderr
        assert built.status == status, built
        return built

    def build(self, *args: str, status: int = 0, **options: Any) -> Built:
        return self.doit(*(args or ("build",)), status=status, **options)


def environment(**more: str) -> dict[str, str]:
    """What doit gets in the tests: nothing of whoever runs them but the way to the tools."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
    return {**kept, **more}


def make_project(root: Path, **env: str) -> Project:
    """An empty project at root: a dodo.py of one line and a folder for sources."""
    project = Project(root, environment(**env))
    project.write("dodo.py", DODO)
    project.path("bpf_src").mkdir()
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "project"
    root.mkdir()
    return make_project(root)
