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
from .errors import Problem, SettingsError
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


def bundle(project: Project, source: Source, values: Mapping[str, str], made: Bundle) -> Bundle:
    """made, the bundle of source, with those of values whose variables its object has."""
    object_file = elf.read(source.object_file)
    known = _variables(object_file)
    own = {name: value for name, value in values.items() if _variable(name) in known}
    if not own:
        return made
    changed = spec.spec(
        object_file,
        name=source.object,
        source=source.sources,
        settings=dataclasses.replace(source.settings, set={**source.settings.set, **own}),
        clang=made.clang,
        mcpu=made.mcpu,
        constants=project.settings.set,
    )
    return dataclasses.replace(changed.bundle, folder=made.folder)


def check(values: Iterable[str], objects: Iterable[Path]) -> None:
    """SettingsError for a name that no object has; what cannot be read is passed over."""
    known: set[str] = set()
    for path in objects if values else ():
        try:
            if path.is_file():
                known |= _variables(elf.read(path, elf.parse_fast))
        except Problem:
            pass
    for name in values:
        if _variable(name) not in known:
            raise SettingsError(
                "no object has a global variable of that name", where=f"--set {name}", help=near(name, known)
            )


def _variable(name: str) -> str:
    """ "table" of "table[2].limit"."""
    return re.split(r"[.\[]", name)[0]


def _variables(object_file: ObjectFile) -> set[str]:
    types = object_file.by_name.get(".BTF")
    btf = Btf.parse(types.data) if types is not None else None
    return {
        variable.name
        for section in data_sections(object_file)
        for variable in variables(object_file, btf, section)
    }
