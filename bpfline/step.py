# SPDX-License-Identifier: Apache-2.0
"""A step: one stage for one object as a doit task, run when its receipt no longer holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doit.action import BaseAction
from doit.exceptions import TaskFailed

from .errors import UNABLE, Problem
from .inputs import Receipt, State, digest_of, file_clock, snapshot, why_stale
from .terminal import say, say_bytes

# A source that somebody saves all the time is compiled this often, then left for the next build.
_ATTEMPTS = 5


@dataclass(frozen=True)
class Done:
    """What a step's work read besides its named inputs, found missing, wrote, and has to say."""

    read: Iterable[str | Path] = ()
    missing: Iterable[str | Path] = ()
    wrote: Iterable[str | Path] = ()
    words: bytes = b""


class StepFailed(TaskFailed):
    """A Problem as doit passes it on; it was shown already."""

    def __init__(self, problem: Problem):
        super().__init__(problem.what)
        self.problem = problem.with_traceback(None)
        self.status = problem.status


@dataclass(repr=False)
class Step(BaseAction):
    """The action of a step's task, and the test of whether it is up to date.

    key gives what the step does besides reading files: its settings and tools. It is asked late,
    because a tool may be missing. work does it.
    """

    inputs: tuple[str, ...]
    key: Callable[[], object]
    work: Callable[[], Done]
    why: str = ""

    def __post_init__(self) -> None:
        # What doit reads of an action (doit/task.py, Task.execute).
        self.out = self.err = self.result = None
        self.values: dict[str, Any] = {}
        self.before: Mapping[str, Any] = {}

    def __repr__(self) -> str:
        return self.why or "up to date"  # what `doit info` shows

    def __call__(self, task: Any, values: Mapping[str, Any]) -> bool:
        """doit's question, with the values of the last run; leaves the reason in why."""
        self.before = values
        try:
            why = why_stale(values, digest_of(self.key()))
        except Problem:
            why = "its settings or tools changed"  # execute() says what is wrong with them
        self.why = why or ""
        return why is None

    def execute(self, out: object = None, err: object = None) -> StepFailed | None:
        """Called by doit, perhaps in a thread."""
        try:
            self.values = self._run().values()
        except Problem as problem:
            return _failed(problem)
        except OSError as error:
            return _failed(Problem(f"{error.strerror or error}", where=error.filename, status=UNABLE))
        return None

    def _run(self) -> Receipt:
        key = digest_of(self.key())
        known = {*self.inputs, *self.before.get("inputs", {})}
        for attempt in range(1, _ATTEMPTS + 1):
            began = file_clock()
            then = snapshot(known)
            done = self.work()
            missing = set(map(str, done.missing))
            now = snapshot({*self.inputs, *map(str, done.read)} | missing)
            moved = {path for path in now if _moved(path, then, now, began)}
            moved |= {path for path in missing if now[path] is not None}
            if not moved or attempt == _ATTEMPTS:
                break
            known = set(now)
        say_bytes(done.words)
        # What still moved is remembered as unknown, so the next build runs this step again.
        inputs: dict[str, State] = {
            path: (0, -1, "") if path in moved else state for path, state in now.items()
        }
        outputs = snapshot(done.wrote)
        self._remove_old(outputs)
        return Receipt(key, inputs, outputs)

    def _remove_old(self, outputs: Mapping[str, object]) -> None:
        """Outputs of the last run that this one did not write again: a section that is gone, say."""
        for path in self.before.get("outputs", {}):
            if path not in outputs:
                Path(path).unlink(missing_ok=True)


def _failed(problem: Problem) -> StepFailed:
    say(str(problem))
    return StepFailed(problem)


def _moved(path: str, then: Mapping[str, State], now: Mapping[str, State], began: int) -> bool:
    """Whether path may have changed while the step ran."""
    if path in then:
        return _content(then[path]) != _content(now[path])
    if now[path] is None:
        return False
    status = Path(path).stat()
    changed: int = max(status.st_mtime_ns, status.st_ctime_ns)
    return changed >= began


def _content(state: State) -> tuple[int, str] | None:
    return None if state is None else state[1:]


def task(
    name: str,
    *,
    doc: str,
    inputs: Iterable[str | Path],
    key: Callable[[], object],
    work: Callable[[], Done],
    targets: Iterable[str | Path] = (),
    after: Iterable[str] = (),
) -> dict[str, Any]:
    """The doit task of a step. inputs are read by it; targets it always writes; after: other tasks."""
    inputs = tuple(map(str, inputs))
    step = Step(inputs, key, work)
    return {
        "name": name,
        "doc": doc,
        "actions": [step],
        "file_dep": list(inputs),
        "targets": list(map(str, targets)),
        "task_dep": list(after),
        "uptodate": [step],
        "clean": True,
    }
