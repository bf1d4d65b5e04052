# SPDX-License-Identifier: Apache-2.0
"""Sweeping build/: what no source stands for any more goes, and what a killed build left half-written."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from .project import BUILD, PARTS, REPORT, Project
from .terminal import say


def sweep(project: Project) -> None:
    """Remove the folders of objects whose source is gone, and every temporary file.

    Reports, variants (x@y) and hidden folders are not looked into.
    """
    build = project.root / BUILD
    kept = {project.root / source.folder for source in project.sources}
    for name, folders, files in os.walk(build):
        folder = Path(name)
        leftovers = {entry for entry in folders + files if entry.startswith(".") and entry.endswith(".tmp")}
        for leftover in leftovers:
            _remove(folder / leftover)
        if folder == build:
            folders[:] = [it for it in folders if it != REPORT and it[0] != "." and "@" not in it]
        elif folder.name == PARTS and folder.parent in kept:
            folders.clear()  # whoever links them removes the others
        elif (folder not in kept and {folder.name + ".o", folder.name + ".d"}.issubset(files)) or (
            # A build failed, or was killed, before clang was done.
            leftovers.issuperset(folders + files) and kept.isdisjoint((folder, *folder.parents))
        ):
            say(f"removing {folder.relative_to(project.root)}: its source is gone")
            _remove(folder)
            folders.clear()
            # net/x leaves net/ behind, when it was the last there.
            for parent in folder.relative_to(build).parents[:-1]:
                try:
                    (build / parent).rmdir()
                except OSError:
                    break


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
