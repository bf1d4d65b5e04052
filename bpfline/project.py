# SPDX-License-Identifier: Apache-2.0
"""The project: its root, its settings, and the objects that its sources give."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NoReturn

from . import settings as settings_
from .errors import UNABLE, SettingsError, printable
from .settings import ObjectSettings, ProgramSettings, Settings

BUILD = Path("build")
REPORT = "report"  # build/report/ holds what verify writes for people and CI systems
VMLINUX = "vmlinux"  # build/vmlinux/ holds vmlinux.h
PARTS = "parts"  # build/x/parts/ holds the objects that x is linked of
_TAKEN = {REPORT: "where the reports go", VMLINUX: "where vmlinux.h goes"}

# doit gives '=' and '*' a meaning in the name of a task, ':' separates a group from its tasks, and
# '@' a variant from its object; a control character would break the lines of depfiles and messages.
_NOT_IN_NAMES = re.compile(r"[\x00-\x1f\x7f=*:@]|[\ud800-\udfff]")


@dataclass(frozen=True)
class Unit:
    """One source as clang compiles it: to the object itself, or to a part that it is linked of.

    task: the name of its compile task, after "compile:".
    """

    path: Path
    object_file: Path
    settings: ObjectSettings
    task: str

    @property
    def depfile(self) -> Path:
        return self.object_file.with_suffix(".d")


@dataclass(frozen=True)
class Source:
    """The source of an object, and that object. path and folder are relative to the project's root.

    parts: the sources that the object is linked of (path is then the first), by the names that their
    objects would have; empty for an object of one source. programs: the tables of its programs.
    """

    path: Path
    object: str
    settings: ObjectSettings
    parts: tuple[tuple[str, Path], ...] = ()
    programs: Mapping[str, ProgramSettings] = field(default_factory=dict)

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

    @property
    def sources(self) -> str:
        """The source, or all of them, in words."""
        return ", ".join(str(unit.path) for unit in self.units)

    @property
    def targets(self) -> Mapping[str, str]:
        """By their settings, the programs of other objects that its own extend: OBJECT/PROGRAM."""
        tables = {f"object.{self.object}": self.settings.target}
        tables |= {f"program.{self.object}/{name}": own.target for name, own in self.programs.items()}
        return {
            f"tool.bpfline.{table}.target": target
            for table, target in tables.items()
            if target is not None and "/" in target and not target.startswith("/")
        }

    @property
    def extended(self) -> tuple[str, ...]:
        """The other objects whose programs its own extend."""
        others = {target.rpartition("/")[0] for target in self.targets.values()} - {self.object}
        return tuple(sorted(others))

    @property
    def units(self) -> tuple[Unit, ...]:
        """What is compiled for the object."""
        if not self.parts:
            return (Unit(self.path, self.object_file, self.settings, self.object),)
        return tuple(
            Unit(path, self.folder / PARTS / f"{name}.o", self.settings, f"{self.object}/{name}")
            for name, path in self.parts
        )


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
        found = sorted(_c_files(self.root, folder, self.settings.match))
        linked = _linked(self.settings, folder, found)
        part_of_others = {path for parts in linked.values() for _, path in parts}
        by_object: dict[str, Path] = {}
        for path in found:
            if path in part_of_others:
                continue
            name = object_name(path.relative_to(folder))
            _check_name(name, path)
            if name in by_object:
                raise SettingsError(
                    f"gives object '{name}', and so does {by_object[name]}",
                    where=path,
                    help="rename one of them",
                )
            by_object[name] = path
        for name, parts in linked.items():
            if name in by_object:
                raise SettingsError(
                    f"tool.bpfline.object.{name}.link gives object '{name}', and so does {by_object[name]}",
                    where=settings_.FILE,
                    help="rename one of them, or add that source to 'link'",
                )
            _check_name(name, Path(settings_.FILE))
            by_object[name] = parts[0][1]
        for name, path in by_object.items():
            for parent in map(str, Path(name).parents):
                if parent in by_object:
                    raise SettingsError(
                        f"would be built inside the folder of {by_object[parent]}",
                        where=path,
                        help="rename the folder or that source",
                    )
        default = ObjectSettings()
        programs = _by_object(self.settings)
        found_sources = tuple(
            Source(
                path,
                name,
                self.settings.object.get(name, default),
                linked.get(name, ()),
                programs.get(name, {}),
            )
            for name, path in sorted(by_object.items())
        )
        _check_targets(found_sources, by_object)
        return found_sources

    @property
    def units(self) -> Iterator[Unit]:
        """Everything that clang compiles."""
        return (unit for source in self.sources for unit in source.units)

    def warnings(self) -> list[str]:
        """What is odd but stops nothing: tables for objects that no source gives."""
        objects = {source.object for source in self.sources}
        return [
            f"{settings_.FILE}: warning: [tool.bpfline.object.{printable(name)}] is for no source"
            + (f"; {help_}" if (help_ := settings_.near(name, objects)) else "")
            for name in self.settings.object
            if name not in objects
        ]


def warnings_of_programs(
    settings: Settings, programs: Iterable[str], objects: Collection[str]
) -> Iterator[str]:
    """Tables for programs that are not there. programs: OBJECT/PROGRAM of those that were looked at; what
    belongs to another of objects may be there."""
    known = set(programs)
    looked_at = {name.rpartition("/")[0] for name in known}
    for name in settings.program:
        object_ = name.rpartition("/")[0]
        if name not in known and (object_ in looked_at or object_ not in objects):
            help_ = settings_.near(name, known)
            words = f'[tool.bpfline.program."{printable(name)}"] is for no program'
            yield f"{settings_.FILE}: warning: {words}" + (f"\n  help: {printable(help_)}" if help_ else "")


def object_name(path: Path) -> str:
    """net/x.bpf.c -> net/x, x.c -> x (path is relative to the folder of the sources)."""
    stem = path.name.removesuffix(".c").removesuffix(".bpf")
    return str(path.with_name(stem)) if stem else ""


def _by_object(settings: Settings) -> dict[str, dict[str, ProgramSettings]]:
    """The tables of programs, by their objects and their names."""
    found: dict[str, dict[str, ProgramSettings]] = {}
    for key, table in settings.program.items():
        object_, _, name = key.rpartition("/")
        found.setdefault(object_, {})[name] = table
    return found


def _check_targets(sources: tuple[Source, ...], objects: Collection[str]) -> None:
    for source in sources:
        for setting, target in source.targets.items():
            name = target.rpartition("/")[0]
            if name not in objects:
                raise SettingsError(
                    f"{setting} is '{target}', and no source gives object '{name}'",
                    where=settings_.FILE,
                    help=settings_.near(name, objects),
                )


def _linked(settings: Settings, folder: Path, found: list[Path]) -> dict[str, tuple[tuple[str, Path], ...]]:
    """Each object that is linked of several sources, with the names and the paths of these."""
    linked = {}
    for name, table in settings.object.items():
        if not table.link:
            continue
        parts: dict[str, Path] = {}
        for word in table.link:
            path = folder / word
            if path not in found:
                raise SettingsError(
                    f"tool.bpfline.object.{name}.link names {path}, which is no source",
                    where=settings_.FILE,
                    help=settings_.near(word, [str(each.relative_to(folder)) for each in found]),
                )
            part = object_name(path.relative_to(folder))
            if part in parts:
                raise SettingsError(
                    f"tool.bpfline.object.{name}.link names {parts[part]} and {path}, both {part}.o",
                    where=settings_.FILE,
                    help="rename one of them, or name it once",
                )
            _check_name(part, path)
            parts[part] = path
        linked[name] = tuple(parts.items())
    return linked


def _check_name(name: str, path: Path) -> None:
    if not name:
        raise SettingsError("gives an object without a name", where=path, help="rename it")
    if found := _NOT_IN_NAMES.search(name):
        raise SettingsError(
            f"gives an object whose name holds {found[0]!r}",
            where=path,
            help="rename it: control characters, = * : @ cannot be",
        )
    first = Path(name).parts[0]
    if first in _TAKEN:
        raise SettingsError(
            f"would be built in {BUILD / first}, {_TAKEN[first]}", where=path, help="rename it"
        )


def _c_files(root: Path, folder: Path, match: tuple[str, ...]) -> list[Path]:
    """Every *.c below folder whose path there matches, but not what editors leave (.#x.c) or hidden
    folders; links to folders are not followed, for they can lead back."""
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
            if any(Path(parent, name).relative_to(root / folder).match(pattern) for pattern in match)
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
