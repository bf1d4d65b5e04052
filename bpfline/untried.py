# SPDX-License-Identifier: Apache-2.0
"""The rows of objects that were to be verified and could not: their source does not compile, say."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping

from bpfline_loader import verify
from bpfline_loader.verdict import Verdict

from .errors import CompileError, Problem
from .project import VMLINUX, Source
from .terminal import without_colours

_ERROR = re.compile(rb"^.*\berror: .*$", re.MULTILINE)


def rows(sources: Iterable[Source], problems: Mapping[str, Problem]) -> list[Verdict]:
    """One for each object, which names no program. problems: by the names of tasks; each was said already,
    and asked for its exit status."""
    return [
        Verdict(source.object, "", "", "", os.uname().release, verify.ERROR, message=_why(source, problems))
        for source in sources
    ]


def _why(source: Source, problems: Mapping[str, Problem]) -> str:
    """The first that failed of what the object is made by; vmlinux.h, which all wait for, comes last."""
    its = [task for task in problems if _makes(task, source)]
    problem = problems[min(its, key=lambda task: task == VMLINUX)] if its else None
    if problem is None:
        return "it was not built: something that it needs failed"
    where = "" if problem.where is None else f"{problem.where}: "
    first = _ERROR.search(without_colours(problem.said)) if isinstance(problem, CompileError) else None
    return f"{where}{problem.what}" + (f"; {os.fsdecode(first[0])}" if first else "")


def _makes(task: str, source: Source) -> bool:
    """Whether what a task makes goes into the object."""
    stage, _, name = task.partition(":")
    return stage == VMLINUX or name == source.object or name.startswith(f"{source.object}/")
