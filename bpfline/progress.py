# SPDX-License-Identifier: Apache-2.0
"""What doit says while it works, on standard error: one line for each task, in doit's own signs."""

from __future__ import annotations

from typing import Any

from doit.exceptions import BaseFail, TaskFailed, UnmetDependency
from doit.reporter import ConsoleReporter

from .errors import OK, REFUSED, UNABLE, Problem, printable
from .step import StepFailed
from .terminal import say


class ExitStatus:
    """Mixed into every reporter, because a reporter hears of every failure.

    status: the exit status that the failures so far ask for. problems: by the names of their tasks. made:
    the names of the tasks that were done, or needed not to be.
    """

    status = OK
    problems: dict[str, Problem] = {}  # noqa: RUF012 - of the process, as the status

    made: set[str] = set()  # noqa: RUF012

    @staticmethod
    def count(task: Any, fail: BaseFail) -> None:
        if isinstance(fail, StepFailed):
            ExitStatus.problems[task.name] = fail.problem
        if not isinstance(fail, UnmetDependency):
            plain = REFUSED if isinstance(fail, TaskFailed) else UNABLE
            ExitStatus.status = max(ExitStatus.status, getattr(fail, "status", plain))

    def add_failure(self, task: Any, fail: BaseFail) -> None:
        self.count(task, fail)
        super().add_failure(task, fail)  # type: ignore[misc]  # the reporter's

    def add_success(self, task: Any) -> None:
        self.made.add(task.name)
        super().add_success(task)  # type: ignore[misc]

    def skip_uptodate(self, task: Any) -> None:
        self.made.add(task.name)
        super().skip_uptodate(task)  # type: ignore[misc]

    def runtime_error(self, message: str) -> None:
        ExitStatus.status = UNABLE
        super().runtime_error(message)  # type: ignore[misc]


class Progress(ExitStatus, ConsoleReporter):
    """doit's console reporter with the reason why each task runs, and without tracebacks."""

    desc = "bpfline's: progress and reasons on standard error"

    def write(self, text: str) -> None:
        say(text.removesuffix("\n"))

    def execute_task(self, task: Any) -> None:
        if task.actions:
            why = getattr(task.actions[0], "why", "")
            say(f".  {task.title()}" + (f"  ({printable(why)})" if why else ""))

    def skip_uptodate(self, task: Any) -> None:
        self.made.add(task.name)
        say(f"-- {task.title()}")

    def add_failure(self, task: Any, fail: BaseFail) -> None:
        self.count(task, fail)
        if isinstance(fail, UnmetDependency):
            if task.actions:
                say(f"!! {task.title()}  (waits for {fail.message})")
            return
        if not isinstance(fail, StepFailed):
            say(f"{task.name}: error: {fail.get_msg().strip()}")
        self.failures.append({"task": task, "exception": fail})

    def complete_run(self) -> None:
        for message in self.runtime_errors:
            say(f"error: {message}")
        if self.failures:
            say("failed: " + ", ".join(printable(failure["task"].name) for failure in self.failures))
