# SPDX-License-Identifier: Apache-2.0
"""struct_ops: variables of .struct_ops, a kernel's struct of functions filled in with programs."""

from __future__ import annotations

from collections.abc import Iterable

from bpfline_loader.btf import Btf, Kind, Member
from bpfline_loader.btf_types import essential_name
from bpfline_loader.bundle import Map, StructOps

from . import section_kinds
from .datasec import Variable, datasec_id, variables
from .elf import ObjectFile, Relocation, Section
from .errors import ObjectError

BPF_F_LINK = 1 << 13  # map_flags, linux/bpf.h
_SECTIONS = (".struct_ops", ".struct_ops.link", "?.struct_ops", "?.struct_ops.link")
_KEY = 4


def struct_ops_maps(object_file: ObjectFile, btf: Btf | None) -> list[Map]:
    """One map for each variable, in the order of the sections. value_size is the source's: that of the
    kernel's struct is known only to the kernel side."""
    return [
        made
        for section in object_file.sections
        if section.name in _SECTIONS and section.type == "SHT_PROGBITS" and section.size
        for made in _maps(object_file, btf, section)
    ]


def loaded(maps: Iterable[Map]) -> dict[str, bool]:
    """Whether a program that struct_ops maps name is loaded: if one of them is created, whatever its section
    says (bpf_object_adjust_struct_ops_autoload in libbpf)."""
    found: dict[str, bool] = {}
    for each in maps:
        for _, program in each.struct_ops.functions if each.struct_ops else ():
            found[program] = found.get(program, False) or each.autocreate
    return found


def _maps(object_file: ObjectFile, btf: Btf | None, section: Section) -> list[Map]:
    if btf is None or datasec_id(btf, section.name) is None:
        raise ObjectError(
            f"has {section.name}, and no BTF that says what is in it",
            where=object_file.path,
            help="compile it with clang -g",
        )
    found = variables(object_file, btf, section)
    functions: dict[str, dict[str, str]] = {variable.name: {} for variable in found}
    for relocation in object_file.relocations.get(section.index, ()):
        variable, member = _member(object_file, btf, section, found, relocation)
        functions[variable.name][member.name] = _program(object_file, variable, member, relocation)
    return [
        _map(object_file, btf, section, variable, tuple(functions[variable.name].items()))
        for variable in found
    ]


def _map(
    object_file: ObjectFile,
    btf: Btf,
    section: Section,
    variable: Variable,
    functions: tuple[tuple[str, str], ...],
) -> Map:
    struct = btf.resolve(variable.type_id)
    if struct.kind != Kind.STRUCT or not struct.name:
        raise ObjectError(
            f"struct_ops {variable.name} is {btf.describe(variable.type_id)}, not a struct with a name",
            where=object_file.path,
        )
    end = variable.offset + struct.size_or_type
    if end > section.size:
        raise ObjectError(
            f"struct_ops {variable.name} lies past the end of {section.name}", where=object_file.path
        )
    link = section.name.endswith(".link")
    return Map(
        variable.name,
        "struct_ops",
        key_size=_KEY,
        value_size=struct.size_or_type,
        max_entries=1,
        flags=BPF_F_LINK * link,
        section=section.name.removeprefix("?"),
        struct_ops=StructOps(
            essential_name(struct.name),
            struct.id,
            section.data[variable.offset : end],
            functions,
            link,
        ),
        autocreate=not section.name.startswith("?"),
    )


def _member(
    object_file: ObjectFile, btf: Btf, section: Section, found: list[Variable], relocation: Relocation
) -> tuple[Variable, Member]:
    """What a relocation fills in: a variable, and its member that points to a function."""
    for variable in found:
        at = relocation.offset - variable.offset
        struct = btf.resolve(variable.type_id)
        if struct.kind != Kind.STRUCT or not 0 <= at < struct.size_or_type:
            continue
        for member in btf.members(struct.id):
            if member.bit_offset == at * 8:
                pointer = btf.resolve(member.type)
                if pointer.kind == Kind.PTR and btf.resolve(pointer.size_or_type).kind == Kind.FUNC_PROTO:
                    return variable, member
                raise ObjectError(
                    f"struct_ops {variable.name}: {member.name} points to something, and is no pointer to a "
                    "function",
                    where=object_file.path,
                    help="only programs can be pointed to",
                )
    raise ObjectError(
        f"has a pointer at {relocation.offset} in {section.name}, where no struct has a member",
        where=object_file.path,
    )


def _program(object_file: ObjectFile, variable: Variable, member: Member, relocation: Relocation) -> str:
    """The program that a member points to."""
    symbol = object_file.symbols[relocation.symbol]
    home = None if symbol.section is None else object_file.sections[symbol.section]
    match = section_kinds.find(home.name) if home is not None and home.executable else None
    functions = [] if home is None else object_file.functions(home)
    names = [each.name for each in functions if each.value == symbol.value]
    if match is None or match.type != "struct_ops" or not names:
        raise ObjectError(
            f"struct_ops {variable.name}: {member.name} is {symbol.name or 'something static'}, which is no "
            "struct_ops program",
            where=object_file.path,
            help=f'define it with SEC("struct_ops/{member.name}")',
        )
    return symbol.name if symbol.name in names else names[0]
