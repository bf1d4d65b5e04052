# SPDX-License-Identifier: Apache-2.0
"""--set NAME=VALUE: constants for this one verification or run, over those of the settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bpfline_loader.btf import Btf
from bpfline_loader.bundle import Bundle

from . import elf, spec
from .constants import variable_of
from .data_maps import variable_names
from .elf import ObjectFile
from .errors import Problem, SettingsError, printable
from .settings import FILE, near

if TYPE_CHECKING:
    from .project import Project, Source


def parse(words: Iterable[str]) -> dict[str, str]:
    """{"name": "value"} of each "name=value"; the last of two for one name holds."""
    values = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise SettingsError(
                "is not NAME=VALUE", where=f"--set {word}", help="--set debug=1, --set 'limits[2].soft=7'"
            )
        values[name] = value
    return values


def bundle(project: Project, source: Source, values: Mapping[str, str], made: Bundle) -> Bundle:
    """made, the bundle of source, with those of values whose variables its object has."""
    object_file = elf.read(source.object_file)
    known = _variables(object_file)
    if not any(variable_of(name) in known for name in values):
        return made
    changed = spec.spec(
        object_file,
        name=source.object,
        source=source.sources,
        settings=source.settings,
        clang=made.clang,
        mcpu=made.mcpu,
        programs=source.programs,
        shared=project.settings.set,
        constants=values,
    )
    return dataclasses.replace(changed.bundle, folder=made.folder)


_NOBODYS = "no object has a global variable of that name"


def check(values: Iterable[str], objects: Iterable[Path]) -> None:
    """SettingsError for a name that no object has; what cannot be read is passed over."""
    for name, help_ in _unknown(values, objects):
        raise SettingsError(_NOBODYS, where=f"--set {name}", help=help_)


def warnings(project: Project) -> list[str]:
    """The names in the project's own table that no object has; nothing before all objects were built."""
    objects = [source.object_file for source in project.sources]
    if not project.settings.set or not all(path.is_file() for path in objects):
        return []
    return [
        f"{FILE}: warning: tool.bpfline.set.{printable(name)}: {_NOBODYS}"
        + (f"; {printable(help_)}" if help_ else "")
        for name, help_ in _unknown(project.settings.set, objects)
    ]


def _unknown(values: Iterable[str], objects: Iterable[Path]) -> list[tuple[str, str]]:
    """Each of values that no object has, with what is near it."""
    known: set[str] = set()
    for path in objects if values else ():
        try:
            if path.is_file():
                known |= _variables(elf.read(path, elf.parse_fast))
        except Problem:
            pass
    return [(name, near(name, known)) for name in values if variable_of(name) not in known]


def _variables(object_file: ObjectFile) -> set[str]:
    types = object_file.by_name.get(".BTF")
    return variable_names(object_file, Btf.parse(types.data) if types is not None else None)
