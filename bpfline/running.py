# SPDX-License-Identifier: Apache-2.0
"""doit run: which of a project's bundles and programs are loaded, before the loader has them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bpfline_loader.bundle import Bundle, Program
from bpfline_loader.load import REFUSED as TO_BE_REFUSED

from . import set_option
from .errors import REFUSED, SettingsError, printable
from .project import Project, warnings_of_programs
from .terminal import say

if TYPE_CHECKING:
    from .pipeline import Pipeline


def bundles(pipeline: Pipeline, chosen: str | None) -> tuple[list[Bundle], dict[str, Bundle]]:
    """The bundles of all objects, or of the chosen one, and by name those of the objects whose programs
    they extend."""
    project = pipeline.project
    sources = [source for source in project.sources if chosen in (None, source.object)]
    if not sources:
        raise SettingsError(
            "there is no program to run", where=project.settings.sources, help="write one: prog.c"
        )
    extended = {name for source in sources for name in source.extended}
    others = [source for source in project.sources if source.object in extended]
    if pipeline.constants:
        set_option.check(pipeline.constants, [source.object_file for source in (*sources, *others)])
    return [*map(pipeline.bundle, sources)], {each.object: pipeline.bundle(each) for each in others}


def run(
    project: Project, found: Sequence[Bundle], *, seconds: float | None, others: Callable[[str], Bundle]
) -> int:
    """Load and attach them until the user has seen enough; the exit status. others: the bundle of another
    object. Programs that are to be refused are left out, and that is said."""
    from bpfline_loader import run

    names = [f"{each.object}/{program.name}" for each in found for program in each.programs]
    for warning in warnings_of_programs(
        project.settings, names, {source.object for source in project.sources}
    ):
        say(warning)
    wanted = [_wanted(each, project) for each in found]
    status = run.run(wanted, seconds=seconds, others=others)
    if status == REFUSED:
        say("doit verify tells why, at the line of the source")
    return status


def _wanted(bundle: Bundle, project: Project) -> Bundle:
    def as_set(program: Program) -> Program:
        name = f"{bundle.object}/{program.name}"
        if project.settings.of_program(name).expect != TO_BE_REFUSED or not program.autoload:
            return program
        say(f'{printable(name)}: note: is to be refused (expect = "refused"), and is not loaded')
        return dataclasses.replace(program, autoload=False)

    return dataclasses.replace(bundle, programs=tuple(map(as_set, bundle.programs)))
