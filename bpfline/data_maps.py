# SPDX-License-Identifier: Apache-2.0
"""Global data: the sections .rodata*, .data* and .bss*, each a map of one entry that is the section."""

from __future__ import annotations

import re

from bpfline_loader.btf import Btf, Linkage
from bpfline_loader.bundle import Map

from .datasec import Variable, datasec_id, variables
from .elf import ObjectFile, Section
from .errors import ObjectError

# map_flags, linux/bpf.h
BPF_F_RDONLY_PROG = 1 << 7
BPF_F_MMAPABLE = 1 << 10

LARGEST = 256 << 20  # bytes of all of an object's data; the kernel would take it, memory might not
_KEY = 4  # bytes of an array's key
_NAME = 15  # BPF_OBJ_NAME_LEN without its NUL


def data_sections(object_file: ObjectFile) -> list[Section]:
    """The sections that become maps, in the object's order, also those that nothing refers to: libbpf
    does so, and so .rodata.str1.1 is one."""
    return [section for section in object_file.sections if section.size and _is_data(section)]


def variable_names(object_file: ObjectFile, btf: Btf | None) -> set[str]:
    """The global variables that the object has."""
    return {
        variable.name
        for section in data_sections(object_file)
        for variable in variables(object_file, btf, section)
    }


def _is_data(section: Section) -> bool:
    if section.type == "SHT_NOBITS":
        return _named(section, ".bss")
    plain = section.type == "SHT_PROGBITS" and not section.executable
    return plain and (_named(section, ".rodata") or _named(section, ".data"))


def _named(section: Section, name: str) -> bool:
    return section.name == name or section.name.startswith(name + ".")


def data_maps(object_file: ObjectFile, btf: Btf | None) -> list[Map]:
    sections = data_sections(object_file)
    size = sum(section.size for section in sections)
    if size > LARGEST:
        raise ObjectError(
            f"has {size} bytes of global data, at most {LARGEST} are taken", where=object_file.path
        )
    return [
        data_map(
            object_file,
            btf,
            section.name,
            section.data or bytes(section.size),
            variables(object_file, btf, section),
            read_only=_named(section, ".rodata"),
        )
        for section in sections
    ]


def data_map(
    object_file: ObjectFile,
    btf: Btf | None,
    name: str,
    data: bytes,
    inside: list[Variable],
    read_only: bool,
) -> Map:
    """An array of one entry, as libbpf's bpf_object__init_internal_map makes it.

    It can be mapped into memory when it has a variable that other sources see, for those are what a
    skeleton shows (map_is_mmapable in libbpf).
    """
    seen = any(variable.linkage != Linkage.STATIC for variable in inside)
    return Map(
        name,
        "array",
        key_size=_KEY,
        value_size=len(data),
        max_entries=1,
        flags=BPF_F_RDONLY_PROG * read_only | BPF_F_MMAPABLE * seen,
        value_type_id=datasec_id(btf, name) or 0,
        kernel_name=kernel_name(object_file.path.name, name),
        section=name,
        data=data,
        frozen=read_only,
    )


def kernel_name(file: str, section: str) -> str:
    """As libbpf's internal_map_name: the first 8 characters of the object's name, which ends at its
    first dot, and the section; .data.x and .rodata.x go by their own names."""
    prefix = "" if "." in section[1:] else file.partition(".")[0]
    room = max(0, _NAME - max(len(".rodata"), len(section)))
    return plain_name(prefix[:room] + section)


def plain_name(name: str) -> str:
    """name in the characters that the kernel takes in names (bpf_obj_name_cpy), and not more."""
    return re.sub(rb"[^A-Za-z0-9_.]", b"_", name.encode(errors="replace"))[:_NAME].decode()
