# SPDX-License-Identifier: Apache-2.0
"""What doit says while it works, on standard error: one line for each task, in doit's own signs."""

from __future__ import annotations

from typing import Any

from doit.exceptions import BaseFail, UnmetDependency
from doit.reporter import ConsoleReporter

from .errors import OK, UNABLE, printable
from .step import StepFailed
from .terminal import say


class Progress(ConsoleReporter):
    """doit's console reporter with the reason why each task runs, and without tracebacks.

    status: the exit status that the failures so far ask for.
    """

    desc = "bpfline's: progress and reasons on standard error"
    status = OK

    def __init__(self, outstream: object, options: dict[str, Any]):
        super().__init__(outstream, options)
        Progress.status = OK

    def write(self, text: str) -> None:
        say(text.removesuffix("\n"))

    def execute_task(self, task: Any) -> None:
        if task.actions:
            why = getattr(task.actions[0], "why", "")
            say(f".  {task.title()}" + (f"  ({printable(why)})" if why else ""))

    def skip_uptodate(self, task: Any) -> None:
        say(f"-- {task.title()}")

    def add_failure(self, task: Any, fail: BaseFail) -> None:
        if isinstance(fail, UnmetDependency):
            if task.actions:
                say(f"!! {task.title()}  (waits for {fail.message})")
            return
        if isinstance(fail, StepFailed):
            Progress.status = max(Progress.status, fail.status)
        else:
            Progress.status = max(Progress.status, UNABLE)
            say(f"{task.name}: error: {fail.get_msg().strip()}")
        self.failures.append({"task": task, "exception": fail})

    def complete_run(self) -> None:
        for message in self.runtime_errors:
            Progress.status = UNABLE
            say(f"error: {message}")
        if self.failures:
            say("failed: " + ", ".join(printable(failure["task"].name) for failure in self.failures))
