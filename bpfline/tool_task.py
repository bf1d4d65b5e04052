# SPDX-License-Identifier: Apache-2.0
"""A task that runs one tool and shows what it says as it comes: a project's tests and linters."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from doit.action import BaseAction

from bpfline_loader import privileges

from .errors import REFUSED, UNABLE, Problem
from .process import as_user, running
from .step import StepFailed


class Tool(BaseAction):
    """Runs argv with our own standard output, error and environment. as_root: with what sudo gave,
    although this process was lowered: tests that load programs need it."""

    def __init__(self, argv: Sequence[str], *, as_root: bool):
        self.argv = list(argv)
        self.as_root = as_root
        self.out = self.err = self.result = None
        self.values: dict[str, Any] = {}

    def execute(self, out: object = None, err: object = None) -> StepFailed | None:
        owner = {"user": 0, "group": 0} if self.as_root and privileges.can_raise() else as_user()
        sys.stdout.flush()
        try:
            process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, **owner)
            with running(process):
                status = process.wait()
        except OSError as error:
            return StepFailed(Problem(f"{self.argv[0]}: {error.strerror}", status=UNABLE))
        if status:
            return StepFailed(Problem(f"{self.argv[0]}: exit status {status}", status=REFUSED))
        return None


def tool(
    name: str, argv: Sequence[str], *, doc: str, as_root: bool = False, after: Iterable[str] = ()
) -> dict[str, Any]:
    """The doit task that runs argv each time it is asked for."""
    return {
        "name": name,
        "doc": doc,
        "actions": [Tool(argv, as_root=as_root)],
        "uptodate": [False],
        "task_dep": list(after),
    }


def module(*words: str) -> list[str]:
    """The argv of a Python module's command. The scripts in .venv/bin would not do: their first line
    breaks where the project's path holds a quote."""
    return [sys.executable, "-m", *words]


def script(name: str, *words: str) -> list[str]:
    """The argv of a Python script that is installed beside the Python that runs doit."""
    return [sys.executable, str(Path(sys.executable).with_name(name)), *words]
