# SPDX-License-Identifier: Apache-2.0
"""--set NAME=VALUE: constants for this one verification or run, over those of the settings."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bpfline_loader.btf import Btf
from bpfline_loader.bundle import Bundle

from . import elf, spec
from .data_maps import data_sections
from .datasec import variables
from .elf import ObjectFile
from .errors import SettingsError
from .settings import near

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


def bundle(
    project: Project, source: Source, values: Mapping[str, str], made: Bundle
) -> tuple[Bundle, set[str]]:
    """(made, the bundle of source, with those of values that its object has; which these are)."""
    object_file = elf.read(source.object_file)
    used = of_object(object_file, values)
    if not used:
        return made, used
    settings = dataclasses.replace(
        source.settings, set={**source.settings.set, **{name: values[name] for name in used}}
    )
    changed = spec.spec(
        object_file,
        name=source.object,
        source=source.sources,
        settings=settings,
        clang=made.clang,
        mcpu=made.mcpu,
        constants=project.settings.set,
    )
    return dataclasses.replace(changed.bundle, folder=made.folder), used


def of_object(object_file: ObjectFile, values: Iterable[str]) -> set[str]:
    """Those names whose variables object_file has: "table[2].limit" for "table"."""
    known = set(_variables(object_file))
    return {name for name in values if re.split(r"[.\[]", name)[0] in known}


def check_used(values: Iterable[str], used: Iterable[str], objects: Iterable[ObjectFile | Path]) -> None:
    """SettingsError for a name that no object has."""
    for name in sorted(set(values) - set(used)):
        known = {
            variable
            for each in objects
            for variable in _variables(elf.read(each) if isinstance(each, Path) else each)
        }
        raise SettingsError(
            "no object has a global variable of that name", where=f"--set {name}", help=near(name, known)
        )


def _variables(object_file: ObjectFile) -> list[str]:
    types = object_file.by_name.get(".BTF")
    btf = Btf.parse(types.data) if types is not None else None
    return [
        variable.name
        for section in data_sections(object_file)
        for variable in variables(object_file, btf, section)
    ]
