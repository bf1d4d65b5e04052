# SPDX-License-Identifier: Apache-2.0
"""The pipeline as doit tasks: what a project's dodo.py imports.

    from bpfline.pipeline import *

doit makes the folder of dodo.py its current directory before it imports it: that is the project.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from bpfline_loader import bundle as bundle_
from bpfline_loader import verify as loader_verify
from bpfline_loader.verdict import Verdict

from . import (
    __version__,
    audit,
    clang,
    compile,  # noqa: A004
    cstring,
    depfile,
    elf,
    host_compiler,
    lines,
    link,
    parts,
    render,
    sections,
    state,
)
from .progress import Progress
from .project import Project, Source
from .step import Done, Step, task

__all__ = [
    "DOIT_CONFIG", "task_audit", "task_build", "task_compile", "task_config", "task_loader",
    "task_sections", "task_verify",
]  # fmt: skip

Task = dict[str, Any]


@dataclass
class Pipeline:
    """One doit process in one project. log, again: the options of verify; verdicts: what it found."""

    project: Project
    log: str = "auto"
    again: bool = False
    verdicts: list[Verdict] = field(default_factory=list)


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


def task_compile() -> Iterator[Task]:
    """each source to build/*/*.o with clang -target bpf"""
    yield from _each(_compile)


def _compile(project: Project, source: Source) -> Task:
    return task(
        source.object,
        doc=f"{source.path} to {source.object_file}",
        inputs=[source.path],
        targets=[source.object_file, source.depfile],
        key=lambda: (compile.key(project, source), _code(compile, clang, depfile)),
        work=lambda: compile.compile_source(project, source),
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
    return task(
        source.object,
        doc=f"the programs of {source.object_file}",
        inputs=[source.object_file],
        targets=[source.folder / parts.FILE],
        key=lambda: (
            source.settings.entry,
            source.settings.license,
            _code(audit, elf, lines, link, parts, sections),
        ),
        work=lambda: parts.write(source),
    )


def task_config() -> Iterator[Task]:
    """the bundle: build/*/loader.json, loader.c and the project's templates with Jinja2"""
    yield from _each(_config)


def _config(project: Project, source: Source) -> Task:
    settings = source.settings
    return task(
        source.object,
        doc=f"the bundle of {source.object}",
        inputs=render.inputs(project, source),
        targets=[source.folder / bundle_.DESCRIPTION],
        key=lambda: (
            *(str(source.path), settings.type, settings.attach, settings.mcpu or project.settings.mcpu),
            *(clang.find(project).version, render.templates(project)),
            *(__version__, _code(render, cstring, sections)),
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
            "doc": f"{source.path} becomes a bundle",
            "actions": None,
            "task_dep": [f"{stage}:{source.object}" for stage in ("sections", "loader")],
        }


def task_verify() -> Iterator[Task]:
    """every program goes through the kernel's verifier [--json] [--log auto|full|short|none] [--again]"""
    for source in PIPELINE.project.sources:
        yield {
            "name": source.object,
            "doc": f"the programs of {source.object} go through the kernel's verifier",
            "actions": [Step((), lambda: None, lambda source=source: _verify(source))],
            "task_dep": [f"config:{source.object}"],
            "uptodate": [False],  # the loader knows better what has changed: the kernel, say
        }


def _verify(source: Source) -> Done:
    """A refusal is a verdict, not a failed task: what doit calls failed it would forget."""
    bundle = bundle_.read(source.folder)
    PIPELINE.verdicts += loader_verify.verify(bundle, mode=PIPELINE.log, again=PIPELINE.again)
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
