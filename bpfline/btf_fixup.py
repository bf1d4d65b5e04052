# SPDX-License-Identifier: Apache-2.0
"""The .BTF of an object as BPF_BTF_LOAD takes it: what the compiler left open is filled in.

clang knows neither where a variable ends up in its section nor what the kernel makes of an extern. As
libbpf does it (btf_fixup_datasec, bpf_object__collect_externs); type ids stay, for .BTF.ext names them.
"""

from __future__ import annotations

from typing import NamedTuple

from bpfline_loader.btf import Btf, BtfError, Kind, Linkage, Type, Variable
from bpfline_loader.btf_edit import Edit

from .elf import ObjectFile, Symbol

KCONFIG, KSYMS = ".kconfig", ".ksyms"
_HIDDEN = ("STV_HIDDEN", "STV_INTERNAL")
_SHARED = ("STB_GLOBAL", "STB_WEAK")
_INT_SIZE = 4
_INT32 = 1 << 24 | 32  # the word behind an INT: signed, 32 bits


class KconfigVariable(NamedTuple):
    """A variable of .kconfig: var is the id of its VAR; offset and size are its place in the map."""

    name: str
    var: int
    offset: int
    size: int


def for_kernel(btf: Btf, object_file: ObjectFile) -> bytes:
    """The object's BTF, ready to be loaded. BtfError where the ELF file lacks what BTF speaks of."""
    edit = Edit(btf)
    for section in btf.of_kind(Kind.DATASEC):
        if section.name == KSYMS:
            _fix_ksyms(btf, edit, section)
        elif section.name == KCONFIG:
            _fix_kconfig(btf, edit, section)
        else:
            _fix_datasec(btf, edit, section, object_file)
    _hide_functions(btf, edit, object_file)
    return edit.data()


def kconfig(btf: Btf) -> list[KconfigVariable]:
    """The variables of .kconfig in the order of their offsets: the widest first, then by size and name."""
    section = btf.find(KCONFIG, Kind.DATASEC)
    return [] if section is None else _placed(btf, section)


def _placed(btf: Btf, section: int) -> list[KconfigVariable]:
    found = []
    for entry in btf.variables(section):
        variable = _variable(btf, entry, KCONFIG)
        size, align = btf.size_of(variable.size_or_type), btf.align_of(variable.size_or_type)
        if not size or not align:
            raise BtfError(f"{KCONFIG} has {variable.name}, which has no size")
        found.append((-align, size, variable.name, variable.id))
    placed, end = [], 0
    for downward, size, name, var in sorted(found):
        offset = end - end % downward  # end rounded up: a remainder has the divisor's sign, here minus
        placed.append(KconfigVariable(name, var, offset, size))
        end = offset + size
    return placed


def _variable(btf: Btf, entry: Variable, section: str) -> Type:
    variable = btf.type(entry.type)
    if variable.kind != Kind.VAR:
        raise BtfError(
            f"BTF has {btf.describe(entry.type)} in section {section}, where only variables can be"
        )
    return variable


def _fix_ksyms(btf: Btf, edit: Edit, section: Type) -> None:
    """Each extern becomes an int of the program's own: the kernel takes no other linkage.

    A section holds variables only, so a function's place goes to one dummy variable.
    """
    number = _int32(btf, edit)
    dummy = 0
    for index, entry in enumerate(btf.variables(section.id)):
        found, var = btf.type(entry.type), entry.type
        if found.kind == Kind.FUNC:
            dummy = dummy or edit.add_type(Kind.VAR, "dummy_ksym", number, follows=[Linkage.GLOBAL])
            var = dummy
            edit.set_info(found, Kind.FUNC, Linkage.GLOBAL)
            _name_params(btf, edit, found)
        else:
            variable = _variable(btf, entry, KSYMS)
            edit.set_size_or_type(variable, number)
            edit.set_following(variable, 0, Linkage.GLOBAL)
        edit.set_following(section, 3 * index, var, _INT_SIZE * index, _INT_SIZE)
    edit.set_size_or_type(section, _INT_SIZE * section.vlen)


def _int32(btf: Btf, edit: Edit) -> int:
    for found in btf.of_kind(Kind.INT):
        if btf.integer(found.id).bits == 32:
            return found.id
    return edit.add_type(Kind.INT, "int", _INT_SIZE, follows=[_INT32])


def _name_params(btf: Btf, edit: Edit, function: Type) -> None:
    """A declaration need not name its parameters, but the kernel wants the names of a FUNC's."""
    proto = btf.type(function.size_or_type)
    for index, param in enumerate(btf.params(proto.id)):
        if param.type and not param.name:
            edit.set_following(proto, 2 * index, edit.add_string("dummy_ksym"))


def _fix_kconfig(btf: Btf, edit: Edit, section: Type) -> None:
    placed = _placed(btf, section.id)
    sizes = {entry.type: entry.size for entry in btf.variables(section.id)}
    for index, variable in enumerate(placed):
        edit.set_following(btf.type(variable.var), 0, Linkage.GLOBAL)
        edit.set_following(section, 3 * index, variable.var, variable.offset, sizes[variable.var])
    edit.set_size_or_type(section, placed[-1].offset + placed[-1].size if placed else 0)


def _fix_datasec(btf: Btf, edit: Edit, section: Type, object_file: ObjectFile) -> None:
    """bpftool gen object has filled in size and offsets already: then they hold."""
    filled_in = section.size_or_type != 0
    if not filled_in:
        found = object_file.by_name.get(section.name)
        if found is None or not found.size:
            raise BtfError(f"BTF has variables in section {section.name}, which the object has not")
        edit.set_size_or_type(section, found.size)
    symbols = _shared_variables(object_file)
    entries = []
    for entry in btf.variables(section.id):
        variable = _variable(btf, entry, section.name)
        if btf.linkage(variable.id) not in (Linkage.STATIC, Linkage.EXTERN):
            symbol = symbols.get(variable.name)
            if symbol is None:
                raise BtfError(f"BTF has a variable {variable.name} that is not in the symbol table")
            if not filled_in:
                entry = entry._replace(offset=symbol.value)
            if symbol.visibility in _HIDDEN:
                edit.set_following(variable, 0, Linkage.STATIC)
        entries.append(entry)
    for index, entry in enumerate(sorted(entries, key=lambda entry: entry.offset)):
        edit.set_following(section, 3 * index, *entry)


def _shared_variables(object_file: ObjectFile) -> dict[str, Symbol]:
    """The variables that are not static, by name; of several with one name, the first."""
    return {
        symbol.name: symbol
        for symbol in reversed(object_file.symbols)
        if symbol.type == "STT_OBJECT" and symbol.bind in _SHARED
    }


def _hide_functions(btf: Btf, edit: Edit, object_file: ObjectFile) -> None:
    """A hidden global subprogram is verified as a static one is: with what its callers know."""
    text = object_file.by_name.get(".text")
    hidden = {
        symbol.name
        for symbol in (object_file.functions(text) if text else ())
        if symbol.bind in _SHARED and symbol.visibility in _HIDDEN
    }
    for found in btf.of_kind(Kind.FUNC) if hidden else ():
        if found.name in hidden and found.vlen == Linkage.GLOBAL:
            edit.set_info(found, Kind.FUNC, Linkage.STATIC)
