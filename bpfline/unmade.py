# SPDX-License-Identifier: Apache-2.0
"""The verdicts on an object that has no bundle, because some of its programs could not be made of it.

The build of such an object fails; a verification says all the same what becomes of each program.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass

from bpfline_loader import verify
from bpfline_loader.bundle import Bundle
from bpfline_loader.verdict import Verdict

from . import clang, elf, spec
from .project import Project, Source


@dataclass(frozen=True)
class Rest:
    """bundle: the programs that could be made. verdicts: those on them, then an error for each other."""

    bundle: Bundle
    verdicts: tuple[Verdict, ...]


def judge(project: Project, source: Source, constants: Mapping[str, str], *, log: str, again: bool) -> Rest:
    """constants: as for --set. Problem for an object of which no program can be made."""
    made = spec.spec(
        elf.read(source.object_file),
        name=source.object,
        source=source.sources,
        settings=source.settings,
        clang=clang.find(project).version,
        mcpu=source.settings.mcpu or project.settings.mcpu,
        programs=source.programs,
        shared=project.settings.set,
        constants=constants,
    )
    bundle = dataclasses.replace(made.bundle, folder=source.folder)
    judged: list[Verdict] = []
    if bundle.programs:
        judged = verify.verify(bundle, mode=log, again=again)
    failed = (
        Verdict(
            *(source.object, failure.program, failure.section, "", os.uname().release, verify.ERROR),
            message=failure.problem.what,
            clang=bundle.clang,
            mcpu=bundle.mcpu,
        )
        for failure in made.failures
    )
    return Rest(bundle, (*judged, *failed))
