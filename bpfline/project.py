# SPDX-License-Identifier: Apache-2.0
"""The project: its root, its settings, and the objects that its sources give."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NoReturn

from . import settings as settings_
from .errors import UNABLE, SettingsError, printable
from .settings import ObjectSettings, Settings

BUILD = Path("build")
REPORT = "report"  # build/report/ holds what verify writes for people and CI systems

# doit gives '=' and '*' a meaning in the name of a task, ':' separates a group from its tasks, and
# '@' a variant from its object; a control character would break the lines of depfiles and messages.
_NOT_IN_NAMES = re.compile(r"[\x00-\x1f\x7f=*:@]|[\ud800-\udfff]")


@dataclass(frozen=True)
class Source:
    """One source and the object it gives. path and folder are relative to the project's root."""

    path: Path
    object: str
    settings: ObjectSettings

    @property
    def folder(self) -> Path:
        """build/<object>/"""
        return BUILD / self.object

    @property
    def object_file(self) -> Path:
        """build/<object>/<object>.o, by the last part of an object's name: build/net/x/x.o"""
        return self.folder / (Path(self.object).name + ".o")

    @property
    def depfile(self) -> Path:
        return self.object_file.with_suffix(".d")


@dataclass(frozen=True)
class Project:
    """A folder with a dodo.py. Everything in it is named relative to root, so that a build is the
    same from any path; doit works with root as its current directory."""

    root: Path

    @cached_property
    def settings(self) -> Settings:
        return settings_.read(self.root)

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """Every source, by the names of their objects. SettingsError for names that clash."""
        folder = Path(self.settings.sources)
        found = sorted(_c_files(self.root, folder))
        by_object: dict[str, Path] = {}
        for path in found:
            name = object_name(path.relative_to(folder))
            _check_name(name, path)
            if name in by_object:
                raise SettingsError(
                    f"gives object '{name}', and so does {by_object[name]}",
                    where=path,
                    help="rename one of them",
                )
            by_object[name] = path
        for name, path in by_object.items():
            for parent in map(str, Path(name).parents):
                if parent in by_object:
                    raise SettingsError(
                        f"would be built inside the folder of {by_object[parent]}",
                        where=path,
                        help="rename the folder or that source",
                    )
        default = ObjectSettings()
        return tuple(
            Source(path, name, self.settings.object.get(name, default))
            for name, path in sorted(by_object.items())
        )

    def warnings(self) -> list[str]:
        """What is odd but stops nothing: tables for objects that no source gives."""
        objects = {source.object for source in self.sources}
        return [
            f"{settings_.FILE}: warning: [tool.bpfline.object.{printable(name)}] is for no source"
            + (f"; {help_}" if (help_ := settings_.near(name, objects)) else "")
            for name in self.settings.object
            if name not in objects
        ]


def object_name(path: Path) -> str:
    """net/x.bpf.c -> net/x, x.c -> x (path is relative to the folder of the sources)."""
    stem = path.name.removesuffix(".c").removesuffix(".bpf")
    return str(path.with_name(stem)) if stem else ""


def _check_name(name: str, path: Path) -> None:
    if not name:
        raise SettingsError("gives an object without a name", where=path, help="rename it")
    if found := _NOT_IN_NAMES.search(name):
        raise SettingsError(
            f"gives an object whose name holds {found[0]!r}",
            where=path,
            help="rename it: control characters, = * : @ cannot be",
        )
    if Path(name).parts[0] == REPORT:
        raise SettingsError(
            f"would be built in {BUILD / REPORT}, where the reports go", where=path, help="rename it"
        )


def _c_files(root: Path, folder: Path) -> list[Path]:
    """Every *.c below folder, but not what editors leave (.#x.c) or hidden folders; links to folders
    are not followed, for they can lead back."""
    if not (root / folder).is_dir():
        raise SettingsError(
            "there is no such folder of sources",
            where=folder,
            help="make it, or set tool.bpfline.sources in pyproject.toml",
        )
    found = []
    for parent, folders, files in os.walk(root / folder, onerror=lambda error: _refuse(root, error)):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(parent, name).relative_to(root)
            for name in folders + files
            if name.endswith(".c") and not name.startswith(".")
        ]
    for path in found:
        _check_file(root, path)
    return found


def _check_file(root: Path, path: Path) -> None:
    """A fifo would keep the build waiting; a folder or a link to nothing was not meant either."""
    try:
        mode = (root / path).stat().st_mode
    except OSError as error:
        _refuse(root, error)
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "no regular file"
        raise SettingsError(f"is {kind}, with the name of a source", where=path, help="rename it")


def _refuse(root: Path, error: OSError) -> NoReturn:
    raise SettingsError(
        f"cannot be read: {error.strerror}",
        where=Path(error.filename).relative_to(root),
        help="mend or remove it",
        status=UNABLE,
    )
