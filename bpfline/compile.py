# SPDX-License-Identifier: Apache-2.0
"""Compiling: one source to one object and its depfile, whole or not at all."""

from __future__ import annotations

import json
import os

from bpfline_loader.files import write_whole

from . import clang, depfile, process
from .errors import CompileError, ToolError
from .inputs import file_clock
from .project import BUILD, Project, Unit
from .step import Done

COMPILE_COMMANDS = BUILD / "compile_commands.json"  # clangd looks into build/ by itself


def key(project: Project, unit: Unit) -> object:
    """What compiling unit depends on besides files: the compiler and the command."""
    compiler = clang.find(project)
    return compiler.stamp, clang.command(compiler, project, unit, unit.object_file, unit.depfile)


def compile_unit(project: Project, unit: Unit) -> Done:
    """Run clang for unit. CompileError when it refuses; its words go to standard error."""
    compiler = clang.find(project)
    with unit.path.open("rb"):  # an OSError here; clang would call it a source that does not compile
        pass
    unit.object_file.parent.mkdir(parents=True, exist_ok=True)
    # The names are always the same, for clang puts that of the depfile's target into the depfile.
    new_object, new_depfile = (
        path.with_name(f".{path.name}.tmp") for path in (unit.object_file, unit.depfile)
    )
    began = file_clock()
    try:
        result = process.run(
            clang.command(compiler, project, unit, new_object, new_depfile), cwd=project.root
        )
        if result.returncode < 0:
            raise ToolError(
                f"clang was ended by signal {-result.returncode}", where=unit.path, help=result.ended
            )
        if result.returncode:
            raise _refused(unit, result.stderr)
        named = depfile.parse(new_depfile.read_bytes().decode(errors="surrogateescape"))
        # The source comes first, but clang writes a backslash in a name as "/" (llvm::sys::path::native).
        read = [str(unit.path), *named[1:]]
        search = clang.search_path(compiler, project, unit)
        try:
            missing = depfile.must_not_exist(read, search, project.root, began)
        except FileNotFoundError as error:
            raise ToolError(
                "was read by clang but is not there: it was removed since, or its name holds a backslash",
                where=os.path.relpath(error.filename, project.root),
                help="build again, or rename it",
            ) from None
        new_depfile.rename(unit.depfile)
        new_object.rename(unit.object_file)
    finally:
        new_object.unlink(missing_ok=True)
        new_depfile.unlink(missing_ok=True)
    return Done(read, missing, (unit.object_file, unit.depfile), result.stderr)


def _refused(unit: Unit, words: bytes) -> Exception:
    """What clang's failure was: the source's fault, or its own (a full disk, its own flags)."""
    from .terminal import say_bytes

    say_bytes(words)
    for sign in (b"No space left on device", b"unable to open output file", b"unknown target triple"):
        if sign in words:
            return ToolError("clang could not write the object", where=unit.path, help="its message is above")
    return CompileError("does not compile", where=unit.path, help="clang's messages are above", said=words)


def write_compile_commands(project: Project) -> None:
    """compile_commands.json for clangd: written only when it would change."""
    compiler = clang.find(project)
    entries = [
        {
            "directory": str(project.root),
            "file": str(unit.path),
            "arguments": clang.command(compiler, project, unit, unit.object_file, unit.depfile),
            "output": str(unit.object_file),
        }
        for unit in project.units
    ]
    content = (json.dumps(entries, indent=1) + "\n").encode()
    path = project.root / COMPILE_COMMANDS
    if not path.exists() or path.read_bytes() != content:
        write_whole(path, content)
