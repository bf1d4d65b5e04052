# SPDX-License-Identifier: Apache-2.0
"""vmlinux.h: the kernel's types as C, made once for all sources that include it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from bpfline_loader.files import write_whole

from . import bpftool, clang
from .errors import SettingsError, ToolError
from .project import BUILD, VMLINUX, Project
from .step import Done

NAME = "vmlinux.h"
HEADER = BUILD / VMLINUX / NAME
KERNEL = Path("/sys/kernel/btf/vmlinux")


def wanted(project: Project) -> bool:
    """Whether something names vmlinux.h, and some source would not find one of the project's own.

    A text that names it is enough: a header too many costs half a second once, one too few a build.
    """
    folders = {Path(project.settings.sources)}
    folders |= {Path(word) for unit in project.units for word in clang.folders(project, unit)}
    folders -= {HEADER.parent}
    anywhere = any(_names_it(path) for path in _headers(project.root, folders))
    for unit in project.units:
        own = (unit.path.parent, *map(Path, clang.folders(project, unit)))
        if (anywhere or _names_it(project.root / unit.path)) and not any(
            (project.root / folder / NAME).exists() for folder in own if folder != HEADER.parent
        ):
            return True
    return False


def _headers(root: Path, folders: set[Path]) -> Iterator[Path]:
    """The headers below those folders that are the project's own; hidden folders and build/ are not."""
    for folder in sorted(folders):
        if folder.is_absolute() or ".." in folder.parts:
            continue
        for parent, below, files in os.walk(root / folder):
            below[:] = [name for name in below if name[0] != "." and Path(parent, name) != root / BUILD]
            yield from (Path(parent, name) for name in files if name.endswith(".h") and name != NAME)


def _names_it(path: Path) -> bool:
    try:
        return NAME.encode() in path.read_bytes()
    except OSError:  # whoever includes it will say so
        return False


def origin(project: Project) -> Path:
    """The file that vmlinux.h is made of."""
    return Path(project.settings.vmlinux or KERNEL)


def make(project: Project) -> Done:
    """Write build/vmlinux/vmlinux.h."""
    path = origin(project)
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        if project.settings.vmlinux is not None:
            raise SettingsError(
                f"cannot be read: {error.strerror}", where=path, help="tool.bpfline.vmlinux names it"
            ) from None
        raise ToolError(
            f"cannot be read: {error.strerror}: this kernel does not say its types (CONFIG_DEBUG_INFO_BTF)",
            where=path,
            help="set tool.bpfline.vmlinux to a file with a kernel's BTF, or to a vmlinux.h",
        ) from None
    write_whole(HEADER, path.read_bytes() if path.suffix == ".h" else _dumped(project, path))
    return Done(read=[path], wrote=[HEADER])


def _dumped(project: Project, path: Path) -> bytes:
    result = bpftool.run(project.settings, "btf", "dump", "file", path.absolute(), "format", "c")
    if result.returncode or not result.stdout:
        words = result.stderr.decode(errors="replace").strip().splitlines()
        raise ToolError(
            f"bpftool makes no vmlinux.h of it: {words[-1] if words else result.ended}",
            where=path,
            help="tool.bpfline.vmlinux names a file with a kernel's BTF, or a header (.h)",
        )
    return result.stdout
