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
from bpfline_loader.attach_target import Others
from bpfline_loader.bundle import Bundle
from bpfline_loader.verdict import Verdict

from . import clang, elf, spec
from .project import Project, Source


@dataclass(frozen=True)
class Rest:
    """bundle: the programs that could be made. verdicts: those on them and an error for each other, in the
    order of the programs."""

    bundle: Bundle
    verdicts: tuple[Verdict, ...]


def made_of(project: Project, source: Source, constants: Mapping[str, str]) -> spec.Spec:
    """What can be made of the object. constants: as for --set. Problem where no program can."""
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
    return dataclasses.replace(made, bundle=dataclasses.replace(made.bundle, folder=source.folder))


def judge(
    project: Project,
    source: Source,
    constants: Mapping[str, str],
    *,
    log: str,
    again: bool,
    others: Others | None = None,
) -> Rest:
    """constants: as for --set. others: as for verify(). Problem for an object of which no program can be
    made."""
    made = made_of(project, source, constants)
    bundle = made.bundle
    rows: list[Verdict] = []
    if bundle.programs:
        rows = verify.verify(bundle, mode=log, again=again, others=others)
    failed = (
        Verdict(
            *(source.object, failure.program, failure.section, "", os.uname().release, verify.ERROR),
            message=failure.problem.what,
            clang=bundle.clang,
            mcpu=bundle.mcpu,
        )
        for failure in made.failures
    )
    return Rest(bundle, made.in_order(rows, failed))
