# SPDX-License-Identifier: Apache-2.0
"""The variables of a section: their types from BTF, their places from the symbol table."""

from __future__ import annotations

from dataclasses import dataclass

from bpfline_loader.btf import Btf, Kind, Linkage

from .elf import ObjectFile, Section, Symbol
from .errors import ObjectError


@dataclass(frozen=True)
class Variable:
    """offset: from the section's start; type_id: of its type; linkage: as libbpf takes it, where a
    hidden variable is a static one."""

    name: str
    type_id: int
    offset: int
    size: int
    linkage: int


def datasec_id(btf: Btf | None, section: str) -> int | None:
    """The DATASEC of that name."""
    return None if btf is None else btf.find(section, Kind.DATASEC)


def variables(object_file: ObjectFile, btf: Btf | None, section: Section) -> list[Variable]:
    """The variables that BTF knows of a section, by their place in it; none without a DATASEC.

    clang leaves a DATASEC's size and its global variables' offsets 0; bpftool gen object fills them in,
    and then they hold (btf_fixup_datasec in libbpf). A static variable's offset stands there always.
    """
    found = datasec_id(btf, section.name)
    if btf is None or found is None:
        return []
    filled_in = btf.type(found).size_or_type != 0
    symbols = _globals(object_file)
    result = []
    for entry in btf.variables(found):
        variable = btf.type(entry.type)
        if variable.kind != Kind.VAR:
            raise ObjectError(f"BTF has in {section.name} what is no variable", where=object_file.path)
        offset, linkage = entry.offset, btf.linkage(entry.type)
        if linkage == Linkage.GLOBAL:
            symbol = symbols.get(variable.name)
            if symbol is None:
                raise ObjectError(
                    f"BTF has the variable {variable.name} in {section.name}, the symbol table has not",
                    where=object_file.path,
                )
            if not filled_in:
                offset = symbol.value
            if symbol.visibility in ("STV_HIDDEN", "STV_INTERNAL"):
                linkage = Linkage.STATIC
        result.append(Variable(variable.name, variable.size_or_type, offset, entry.size, linkage))
    return sorted(result, key=lambda variable: variable.offset)


def _globals(object_file: ObjectFile) -> dict[str, Symbol]:
    """The variables that other sources can see; of several with one name, the first."""
    return {
        symbol.name: symbol
        for symbol in reversed(object_file.symbols)
        if symbol.type == "STT_OBJECT" and symbol.bind in ("STB_GLOBAL", "STB_WEAK")
    }
