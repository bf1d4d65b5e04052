# SPDX-License-Identifier: Apache-2.0
"""The maps and externs of an object, and what a relocation against them means."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from bpfline_loader.btf import Btf
from bpfline_loader.bundle import Extern, Map

from . import constants
from .data_maps import data_maps, data_sections, plain_name
from .datasec import variables
from .elf import ObjectFile, Symbol
from .errors import ObjectError
from .externs import KCONFIG, externs, is_extern, kconfig_map
from .map_defs import SECTION, Definition, definitions
from .struct_ops import struct_ops_maps

# Sections that libbpf knows (ARENA_SEC and JUMPTABLES_SEC) and bpfline does not: what stands in them, and
# what does without.
_NOT_SUPPORTED = {
    ".addr_space.1": (
        "global variables in an arena",
        "allocate it in the arena with bpf_arena_alloc_pages(), or make it a plain global variable",
    ),
    ".jumptables": (
        "jump tables (indirect gotox)",
        'compile without them: cflags = ["-fno-jump-tables"]',
    ),
}


@dataclass(frozen=True)
class Maps:
    """What the bundle takes of it: maps, externs. places: the name of the map at (section, offset) for
    the maps that .maps defines, at (section, None) for one that is a section."""

    maps: tuple[Map, ...]
    externs: tuple[Extern, ...]
    object_file: ObjectFile = dataclasses.field(repr=False)
    places: Mapping[tuple[int, int | None], str] = dataclasses.field(repr=False)

    def place(self, symbol: Symbol, addend: int) -> tuple[str, str, int]:
        """What a relocation against symbol in code means: (kind and target of a bundle.Fixup, offset).

        addend: the immediate of the instruction, which counts for data only. The offset is for the
        second half of a "map_value". A kfunc is a "kfunc", also where its address is asked for and
        nothing is called. ObjectError says why one means nothing.
        """
        if is_extern(symbol):
            return self._extern(symbol)
        if symbol.section is None:
            raise ObjectError(f"refers to {symbol.name}, which is in no section", where=self.object_file.path)
        section = self.object_file.sections[symbol.section]
        if (section.index, None) in self.places:
            return "map_value", self.places[section.index, None], symbol.value + addend
        if (section.index, symbol.value) in self.places:
            return "map", self.places[section.index, symbol.value], 0
        what = f"{symbol.name} in {section.name}" if symbol.name else section.name
        if section.name in _NOT_SUPPORTED:
            things, remedy = _NOT_SUPPORTED[section.name]
            raise ObjectError(
                f"refers to {what}: {things} are not supported", where=self.object_file.path, help=remedy
            )
        raise ObjectError(
            f"refers to {what}, which is no map and no global data",
            where=self.object_file.path,
            help='maps are in SEC(".maps"), data in .data, .rodata or .bss, or a section that begins so',
        )

    def _extern(self, symbol: Symbol) -> tuple[str, str, int]:
        for extern in self.externs:
            if extern.name == symbol.name:
                if extern.kind == "kconfig":
                    return "map_value", KCONFIG, extern.offset
                return extern.kind, extern.name, 0
        raise ObjectError(f"refers to a symbol without a name ({symbol})", where=self.object_file.path)


def read(object_file: ObjectFile, btf: Btf | None) -> Maps:
    """The maps of an object in the order in which libbpf creates them: .maps, data, .kconfig, struct_ops.

    btf: the object's own, as the compiler wrote it; its type ids are those of btf_fixup.for_kernel().
    ObjectError or BtfError says what is wrong with them.
    """
    if any(section.name == "maps" and section.size for section in object_file.sections):
        raise ObjectError(
            'defines maps in SEC("maps"), which libbpf 1.0 gave up',
            where=object_file.path,
            help="write each as struct { __uint(type, ...); __uint(max_entries, ...); __type(key, ...); "
            '__type(value, ...); } name SEC(".maps"); see docs.kernel.org/bpf/map_hash.html',
        )
    defined = definitions(object_file, btf)
    found = externs(object_file, btf)
    maps = [
        *(each.map for each in defined),
        *data_maps(object_file, btf),
        *kconfig_map(object_file, btf, found),
        *struct_ops_maps(object_file, btf),
    ]
    for name, count in Counter(each.name for each in maps).items():
        if count > 1:
            raise ObjectError(f"has {count} maps called {name}", where=object_file.path)
    return Maps(tuple(map(_named, maps)), tuple(found), object_file, dict(_places(object_file, defined)))


def _named(each: Map) -> Map:
    """With a name for the kernel where the source's has characters that the kernel does not take."""
    plain = plain_name(each.name)
    if each.kernel_name or each.name.startswith(plain):
        return each
    return dataclasses.replace(each, kernel_name=plain)


def _places(object_file: ObjectFile, defined: list[Definition]) -> list[tuple[tuple[int, int | None], str]]:
    data: list[tuple[tuple[int, int | None], str]] = [
        ((section.index, None), section.name) for section in data_sections(object_file)
    ]
    if not defined:
        return data
    home = object_file.by_name[SECTION].index
    return [*data, *(((home, each.offset), each.map.name) for each in defined)]


def with_constants(maps: Maps, btf: Btf | None, values: Mapping[str, constants.Given]) -> Maps:
    """maps with global variables set before they are loaded: {"name": Given(value)}.

    A name may lead to an element or a member: "table[2].limit". SettingsError says which name is
    unknown and what is near it, or which value its type cannot hold.
    """
    if not values:
        return maps
    object_file = maps.object_file
    inside = {section.name: variables(object_file, btf, section) for section in data_sections(object_file)}
    changed = constants.apply(
        {each.name: each.data or b"" for each in maps.maps if each.name in inside}, btf, inside, values
    )
    return dataclasses.replace(
        maps,
        maps=tuple(
            dataclasses.replace(each, data=changed[each.name]) if each.name in changed else each
            for each in maps.maps
        ),
    )
