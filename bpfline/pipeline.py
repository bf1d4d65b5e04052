# SPDX-License-Identifier: Apache-2.0
"""The pipeline as doit tasks: what a project's dodo.py imports.

    from bpfline.pipeline import *

doit makes the folder of dodo.py its current directory before it imports it: that is the project.
"""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bpfline_loader import bundle as bundle_
from bpfline_loader.bundle import Bundle

from . import (
    __version__,
    bpftool,
    clang,
    compile,  # noqa: A004
    cstring,
    depfile,
    elf,
    gen_object,
    host_compiler,
    parts,
    render,
    sections,
    state,
    task_options,
    vmlinux,
)
from .errors import Problem
from .inputs import digest_of
from .progress import ExitStatus, Progress
from .project import Project, Source, Unit
from .step import Done, Step, task
from .terminal import say

if TYPE_CHECKING:
    from bpfline_loader.verdict import Verdict

    from .baseline import Taken
    from .cost.project import Measured

__all__ = [
    "DOIT_CONFIG", "task_audit", "task_baseline", "task_build", "task_compile", "task_config", "task_cost",
    "task_link", "task_loader", "task_sections", "task_verify", "task_vmlinux",
]  # fmt: skip

Task = dict[str, Any]


@dataclass
class Pipeline:
    """One doit process in one project. log, again, constants: the options of verify; verdicts: what
    it found; costs: what the task cost found; taken: what the task baseline did, which says it itself
    unless as_json; unmade: the objects whose programs could not all be made."""

    project: Project
    log: str = "auto"
    again: bool = False
    constants: Mapping[str, str] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
    costs: list[Measured] = field(default_factory=list)
    as_json: bool = False
    taken: Taken | None = None
    unmade: list[Source] = field(default_factory=list)

    def bundle(self, source: Source) -> Bundle:
        """What was built of source, with the values of --set."""
        built = bundle_.read(source.folder)
        if not self.constants:
            return built
        from . import set_option

        return set_option.bundle(self.project, source, self.constants, built)

    def other(self, name: str) -> Bundle:
        """The bundle of the object name, whose program another object extends: as far as it could be made,
        for that program may be in it. Problem where nothing could."""
        source = next((each for each in self.project.sources if each.object == name), None)
        if source is not None and f"config:{name}" in ExitStatus.made:
            return self.bundle(source)
        if source is not None and source in self.unmade:
            from . import unmade

            with suppress(Problem):  # of the object as a whole: its audit said so
                return unmade.made_of(self.project, source, self.constants).bundle
        raise Problem("could not be built")


PIPELINE = Pipeline(Project(Path.cwd()))

DOIT_CONFIG = {
    "default_tasks": ["build"],
    "dep_file": str(state.FILE),
    "backend": "bpfline",
    "continue": True,  # one source that fails does not stop the others
    "par_type": "thread",  # for -n: processes deadlock, and hang when doit is killed
    "reporter": Progress,
    "verbosity": 1,
    "bpfline": PIPELINE,
}


def _each(make: Callable[[Project, Source], Task]) -> Iterator[Task]:
    project = PIPELINE.project
    for source in project.sources:
        yield make(project, source)


def task_vmlinux() -> Iterator[Task]:
    """vmlinux.h, where a source includes it: build/vmlinux/vmlinux.h with bpftool"""
    project = PIPELINE.project
    if vmlinux.wanted(project):
        yield task(
            vmlinux.NAME,
            doc=f"{vmlinux.origin(project)} to {vmlinux.HEADER}",
            inputs=(),
            key=lambda: (vmlinux.origin(project), bpftool.stamp(project.settings), _code(vmlinux)),
            work=lambda: vmlinux.make(project),
        )


def task_compile() -> Iterator[Task]:
    """each source to build/*/*.o with clang -target bpf"""
    for unit in PIPELINE.project.units:
        yield _compile(PIPELINE.project, unit)


def _compile(project: Project, unit: Unit) -> Task:
    return task(
        unit.task,
        doc=f"{unit.path} to {unit.object_file}",
        inputs=[unit.path],
        targets=[unit.object_file, unit.depfile],
        key=lambda: (compile.key(project, unit), _code(compile, clang, depfile)),
        work=lambda: compile.compile_unit(project, unit),
        after=["vmlinux"],
    )


def task_link() -> Iterator[Task]:
    """each object of several sources, with bpftool gen object"""
    yield from (_link(PIPELINE.project, source) for source in PIPELINE.project.sources if source.parts)


def _link(project: Project, source: Source) -> Task:
    return task(
        source.object,
        doc=f"the parts of {source.object_file}",
        inputs=[unit.object_file for unit in source.units],
        targets=[source.object_file, source.depfile],
        key=lambda: (bpftool.stamp(project.settings), _code(gen_object, bpftool)),
        work=lambda: gen_object.link(project, source),
    )


def task_sections() -> Iterator[Task]:
    """each object's sections to build/*/sections/*.bin with llvm-objcopy"""
    yield from _each(_sections)


def _sections(project: Project, source: Source) -> Task:
    objcopy = project.settings.objcopy

    def work() -> Done:
        return Done(wrote=sections.dump(elf.read(source.object_file), source.folder / "sections", objcopy))

    return task(
        source.object,
        doc=f"the sections of {source.object_file}",
        inputs=[source.object_file],
        key=lambda: (_tool(objcopy), _code(sections, elf)),
        work=work,
    )


def task_audit() -> Iterator[Task]:
    """what cannot work is found, the programs are linked to build/*/programs/"""
    yield from _each(_audit)


def _audit(project: Project, source: Source) -> Task:
    def work() -> Done:
        try:
            return parts.make(project, source)
        except Problem:
            PIPELINE.unmade.append(source)
            raise

    return task(
        source.object,
        doc=f"the programs of {source.object_file}",
        inputs=[source.object_file],
        targets=[source.folder / parts.FILE],
        key=lambda: (source.sources, *_of_the_object(project, source), _what_makes_parts()),
        work=work,
    )


def _of_the_object(project: Project, source: Source) -> tuple[object, ...]:
    """The settings that say what is made of an object, not how it is compiled."""
    its = source.settings
    own = {name: (table.attach, table.target) for name, table in source.programs.items()}
    return its.type, its.attach, its.license, its.entry, its.target, its.set, own, project.settings.set


def task_config() -> Iterator[Task]:
    """the bundle: build/*/loader.json, loader.c and the project's templates with Jinja2"""
    yield from _each(_config)


def _config(project: Project, source: Source) -> Task:
    return task(
        source.object,
        doc=f"the bundle of {source.object}",
        inputs=render.inputs(project, source),
        targets=[source.folder / bundle_.DESCRIPTION],
        key=lambda: (
            *(source.sources, source.settings.mcpu or project.settings.mcpu),
            *(clang.find(project).version, render.templates(project)),
            *(__version__, _code(render, cstring, parts, sections)),
        ),
        work=lambda: render.render(project, source, clang.find(project).version),
    )


def task_loader() -> Iterator[Task]:
    """the C loader of each object whose .text alone is the program, with the host's compiler"""
    yield from _each(_loader)


def _loader(project: Project, source: Source) -> Task:
    rendered = source.folder / render.C_LOADER

    def work() -> Done:
        if not rendered.exists():
            return Done(missing=[rendered])
        compiler = host_compiler.find()
        if compiler is None:
            words = f"{rendered}: note: left out: {host_compiler.MISSING}\n  help: {host_compiler.REMEDY}\n"
            return Done(read=[rendered], missing=host_compiler.missing_headers(), words=words.encode())
        words = host_compiler.compile(compiler, rendered, source.folder / "loader")
        return Done(read=[rendered], wrote=[source.folder / "loader"], words=words.encode())

    return task(
        source.object,
        doc=f"the C loader of {source.object}",
        inputs=(),
        key=lambda: (os.environ.get("CC"), *map(_tool, ("gcc", "clang", "cc")), _code(host_compiler)),
        work=work,
        after=[f"config:{source.object}"],
    )


def task_build() -> Iterator[Task]:
    """every source becomes a bundle (the default)"""
    for source in PIPELINE.project.sources:
        yield {
            "name": source.object,
            "doc": f"{source.sources} becomes a bundle",
            "actions": None,
            "task_dep": [
                *(f"{stage}:{source.object}" for stage in ("sections", "loader")),
                *_bundles(source),
            ],
        }


def _bundles(source: Source) -> list[str]:
    """The tasks that make what is loaded: the object's bundle, and those of the programs that it extends."""
    return [f"config:{name}" for name in (source.object, *source.extended)]


def task_verify() -> Iterator[Task]:
    """every program goes through the kernel's verifier"""
    yield _of_all("verify")
    for source in PIPELINE.project.sources:
        yield {
            "name": source.object,
            "doc": f"the programs of {source.object} go through the kernel's verifier",
            "actions": [Step((), lambda: None, lambda source=source: verify_object(source))],
            "task_dep": _bundles(source),
            "uptodate": [False],  # the loader knows better what has changed: the kernel, say
        }


def _of_all(name: str) -> Task:
    """The task of that name itself, of which those of each object are the parts."""
    return {"name": None, "doc": task_options.DOCS[name], "params": task_options.params(name)}


def verify_object(source: Source) -> Done:
    """A refusal is a verdict, not a failed task: what doit calls failed it would forget."""
    from bpfline_loader.verify import NotKept, verify  # a build has no use for these

    from . import watch

    try:
        PIPELINE.verdicts += verify(
            PIPELINE.bundle(source),
            mode=PIPELINE.log,
            again=PIPELINE.again,
            others=PIPELINE.other,
            around=watch.verifying(source.object),
        )
    except NotKept as problem:
        PIPELINE.verdicts += problem.results
        raise
    return Done()


def task_cost() -> Iterator[Task]:
    """where the verifier spends its work"""
    yield _of_all("cost")
    for source in PIPELINE.project.sources:
        yield {
            "name": source.object,
            "doc": f"where the verifier spends its work on {source.object}",
            "actions": [Step((), lambda: None, lambda source=source: _cost(source))],
            "task_dep": _bundles(source),
            "uptodate": [False],  # as verify
        }


def _cost(source: Source) -> Done:
    from .cost.project import measure

    PIPELINE.costs += measure(bundle_.read(source.folder))
    return Done()


def task_baseline() -> Task:
    """the verdicts as they are now become verifier-baseline.json, which verify compares with"""
    return {
        "doc": task_options.DOCS["baseline"],
        "params": task_options.params("baseline"),
        "actions": [Step((), lambda: None, _baseline)],
        "task_dep": ["verify"],
        "uptodate": [False],  # as verify
    }


def _baseline() -> Done:
    from . import baseline

    PIPELINE.taken = baseline.take_over(PIPELINE.project, PIPELINE.verdicts)
    if not PIPELINE.as_json:
        say(str(PIPELINE.taken))
    PIPELINE.taken.check()
    return Done()


@cache
def _tool(name: str) -> str | None:
    """A tool as it is installed: its real path, size and time."""
    path = shutil.which(name)
    if path is None:
        return None
    status = Path(path).resolve().stat()
    return f"{Path(path).resolve()} {status.st_size} {status.st_mtime_ns}"


@cache
def _code(*modules: Any) -> list[str]:
    """The text of our own modules: what they make changes with them."""
    return [Path(module.__file__).read_text() for module in modules]


# The modules that have a say in what is made of an object; they are not imported to ask them.
MAKE_PARTS = (
    *("audit", "btf_ext", "btf_fixup", "constants", "data_maps", "datasec", "elf", "externs", "lines"),
    *("link", "map_defs", "maps", "parts", "relocate", "section_kinds", "sections", "spec", "struct_ops"),
)
MAKE_PARTS_IN_LOADER = (
    *("btf", "btf_edit", "btf_raw", "btf_spell", "btf_types", "bundle", "enums", "map_types"),
)  # fmt: skip


@functools.cache
def _what_makes_parts() -> str:
    ours, the_loaders = Path(__file__).parent, Path(bundle_.__file__).parent
    files = [ours / f"{name}.py" for name in MAKE_PARTS]
    files += [the_loaders / f"{name}.py" for name in MAKE_PARTS_IN_LOADER]
    return digest_of(*(path.read_bytes() for path in files))
