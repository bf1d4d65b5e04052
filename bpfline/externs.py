# SPDX-License-Identifier: Apache-2.0
"""Externs: what a source declares with __ksym or __kconfig, and the running kernel has."""

from __future__ import annotations

from bpfline_loader.btf import ENUMS, Btf, Kind, Linkage, Type
from bpfline_loader.bundle import Extern, Map

from . import btf_fixup
from .data_maps import LARGEST, data_map
from .datasec import Variable, datasec_id
from .elf import ObjectFile, Symbol
from .errors import ObjectError

KSYMS, KCONFIG = ".ksyms", ".kconfig"
_BOOL = 4  # BTF_INT_BOOL, linux/btf.h


def is_extern(symbol: Symbol) -> bool:
    return (
        symbol.section is None and symbol.type == "STT_NOTYPE" and symbol.bind in ("STB_GLOBAL", "STB_WEAK")
    )


def externs(object_file: ObjectFile, btf: Btf | None) -> list[Extern]:
    """The externs in libbpf's order: those of .kconfig as they stand in its map, the others by name.

    As in libbpf one that no program uses counts as well.
    """
    names = {s.name: s.bind == "STB_WEAK" for s in object_file.symbols if is_extern(s) and s.name}
    if not names:
        return []
    if btf is None:
        raise ObjectError(
            f"leaves {min(names)} to others, and has no BTF that says what it is",
            where=object_file.path,
            help="compile it with clang -g",
        )
    homes = {section: _entries(btf, section) for section in (KSYMS, KCONFIG)}
    places = {variable.name: variable for variable in btf_fixup.kconfig(btf)}
    ksyms, kconfig = [], []
    for name, weak in names.items():
        found = _declared(object_file, btf, name)
        if found.id in homes[KSYMS]:
            ksyms.append(_ksym(btf, found, weak))
        elif found.id in homes[KCONFIG]:
            _check_kconfig(object_file, btf, found)
            place = places[name]
            kconfig.append(Extern(name, "kconfig", found.size_or_type, weak, place.offset, place.size))
        else:
            raise ObjectError(
                f"{name} is declared and nowhere defined",
                where=object_file.path,
                help="define it, or declare it with __ksym or __kconfig when the kernel has it",
            )
    kconfig.sort(key=lambda extern: extern.offset)
    return kconfig + sorted(ksyms, key=lambda extern: extern.name)


def kconfig_map(object_file: ObjectFile, btf: Btf | None, found: list[Extern]) -> list[Map]:
    """The .kconfig map, whose contents the kernel side fills in; none without such externs."""
    kconfig = [extern for extern in found if extern.kind == "kconfig"]
    if not kconfig:
        return []
    inside = [Variable(e.name, e.type_id, e.offset, e.size, Linkage.GLOBAL) for e in kconfig]
    size = kconfig[-1].offset + kconfig[-1].size
    if size > LARGEST:
        raise ObjectError(f"has externs of {size} bytes in {KCONFIG}", where=object_file.path)
    return [data_map(object_file, btf, KCONFIG, bytes(size), inside, read_only=True)]


def _entries(btf: Btf, section: str) -> set[int]:
    found = datasec_id(btf, section)
    return set() if found is None else {entry.type for entry in btf.variables(found)}


def _declared(object_file: ObjectFile, btf: Btf, name: str) -> Type:
    """The VAR or FUNC of that name, which is extern."""
    ids = [found for kind in (Kind.VAR, Kind.FUNC) if (found := btf.find(name, kind)) is not None]
    if not ids or btf.linkage(min(ids)) != Linkage.EXTERN:
        raise ObjectError(
            f"{name} is nowhere defined, and BTF does not say what it is",
            where=object_file.path,
            help="define it, or compile with clang -g when the kernel has it",
        )
    return btf.type(min(ids))


def _ksym(btf: Btf, found: Type, weak: bool) -> Extern:
    if found.kind == Kind.FUNC:
        return Extern(found.name, "kfunc", found.id, weak)
    type_id = btf.resolve(found.size_or_type).id
    return Extern(found.name, "ksym" if type_id else "address", type_id, weak)


def _check_kconfig(object_file: ObjectFile, btf: Btf, found: Type) -> None:
    """As libbpf's find_kcfg_type: a bool, a char, an integer, enum libbpf_tristate or char[]."""
    if found.kind == Kind.VAR:
        kind = btf.resolve(found.size_or_type)
        if kind.kind == Kind.ARRAY:
            array = btf.array(kind.id)
            element = btf.resolve(array.type)
            is_char = element.kind == Kind.INT and element.size_or_type == 1
            if array.nelems and is_char and not btf.integer(element.id).encoding & _BOOL:
                return
        elif kind.kind == Kind.INT and kind.size_or_type in (1, 2, 4, 8):
            if kind.size_or_type == 1 or not btf.integer(kind.id).encoding & _BOOL:
                return
        elif kind.kind in ENUMS and kind.name == "libbpf_tristate" and kind.size_or_type in (4, 8):
            return
    is_a = btf.describe(found.size_or_type)
    raise ObjectError(
        f"{found.name} is {is_a}, which no value of the kernel's configuration is",
        where=object_file.path,
        help="declare it as bool, char, char[N], an integer or enum libbpf_tristate",
    )
