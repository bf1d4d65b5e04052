# SPDX-License-Identifier: Apache-2.0
"""Maps as a source defines them: the variables of .maps, whose types are the definitions.

__uint(max_entries, 8) is a member `int (*max_entries)[8]`, __type(key, int) is `int *key`, and
__array(values, ...) is an array of pointers whose initial values are relocations (bpf_helpers.h).
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_right
from dataclasses import dataclass

from bpfline_loader.btf import ENUMS, Btf, BtfError, Kind, Linkage, Member
from bpfline_loader.bundle import Map, Slot
from bpfline_loader.map_types import MAP_TYPES

from .datasec import Variable, datasec_id, variables
from .elf import ObjectFile, Relocation, Section
from .errors import ObjectError

SECTION = ".maps"

_TYPE_NAMES = {number: name for name, number in MAP_TYPES.items() if number}
_POINTER = 8  # bytes of a pointer of BPF
_FD = 4  # bytes of the value of a map that holds maps or programs

_NUMBERS = ("type", "max_entries", "map_flags", "numa_node", "key_size", "value_size", "pinning")
_FIELDS = (*_NUMBERS, "map_extra", "key", "value", "values")
_PINNING = (0, 1)  # enum libbpf_pin_type, bpf_helpers.h: LIBBPF_PIN_NONE, LIBBPF_PIN_BY_NAME

# The kernel takes no BTF for these (bpf_object__create_map in libbpf).
_WITHOUT_BTF = {
    "perf_event_array", "cgroup_array", "stack_trace", "array_of_maps", "hash_of_maps", "devmap",
    "devmap_hash", "cpumap", "xskmap", "sockmap", "sockhash", "queue", "stack", "arena",
}  # fmt: skip
_OF_MAPS = {"array_of_maps", "hash_of_maps"}


@dataclass(frozen=True)
class Definition:
    """A map, and where its variable stands in .maps."""

    map: Map
    offset: int
    end: int
    values_offset: int | None  # of the member `values` from the section's start


def definitions(object_file: ObjectFile, btf: Btf | None) -> list[Definition]:
    """The maps of .maps by their place in it. ObjectError names the map and the field that is wrong."""
    section = object_file.by_name.get(SECTION)
    if section is None:
        return []
    if datasec_id(btf, SECTION) is None or btf is None:
        raise ObjectError(
            "defines maps in .maps, and has no BTF that says what they are",
            where=object_file.path,
            help="compile it with clang -g",
        )
    found = [_defined(object_file, btf, section, each) for each in variables(object_file, btf, section)]
    slots = _slots(object_file, section, found)
    return [
        dataclasses.replace(each, map=dataclasses.replace(each.map, slots=slots[each.map.name]))
        if each.map.name in slots
        else each
        for each in found
    ]


def _defined(object_file: ObjectFile, btf: Btf, section: Section, variable: Variable) -> Definition:
    reader = _Reader(object_file, btf, variable.name)
    if variable.linkage != Linkage.GLOBAL:
        raise reader.error("is static or hidden", help="libbpf takes maps that are global variables only")
    definition = btf.resolve(variable.type_id)
    if definition.kind != Kind.STRUCT:
        raise reader.error(f"is {btf.describe(variable.type_id)}, not a struct of its fields")
    end = variable.offset + variable.size
    if end > section.size or definition.size_or_type > variable.size:
        raise reader.error("lies past the end of .maps", help="compile it again")
    values = [member for member in btf.members(definition.id) if member.name == "values"]
    return Definition(
        reader.map(definition.id),
        variable.offset,
        end,
        variable.offset + values[0].bit_offset // 8 if values else None,
    )


class _Reader:
    """What the struct of one map says, checked as libbpf's parse_btf_map_def checks it."""

    def __init__(self, object_file: ObjectFile, btf: Btf, name: str, inner: bool = False):
        self.object_file, self.btf, self.name, self.inner = object_file, btf, name, inner

    def error(self, what: str, *, field: str = "", help: str = "") -> ObjectError:  # noqa: A002
        about = f"map {self.name}: {field}" if field else f"map {self.name}"
        return ObjectError(f"{about} {what}", where=self.object_file.path, help=help)

    def map(self, struct_id: int) -> Map:
        members = self.btf.members(struct_id)
        numbers: dict[str, int] = {}
        types = {"key": 0, "value": 0}
        extra, inner = 0, None
        for position, member in enumerate(members):
            field = member.name
            if field in _NUMBERS:
                self._once(numbers, field, self._number(member))
            elif field == "map_extra":
                extra = self._long(member)
            elif field in types:
                types[field], size = self._pointee(member)
                self._once(numbers, f"{field}_size", size)
            elif field == "values":
                if position != len(members) - 1:
                    raise self.error("is not the last field, as it must be", field=field)
                self._once(numbers, "value_size", _FD)
                inner = self._values(member, _TYPE_NAMES.get(numbers.get("type", 0)))
            else:
                raise self.error(f"has an unknown field {field!r}", help=f"known: {', '.join(_FIELDS)}")
        kind = self._type(numbers)
        if kind in _WITHOUT_BTF:
            types = {"key": 0, "value": 0}
        return Map(
            self.name,
            kind,
            numbers.get("key_size", 0),
            numbers.get("value_size", 0),
            numbers.get("max_entries", 0),
            flags=numbers.get("map_flags", 0),
            extra=extra,
            numa_node=numbers.get("numa_node"),
            key_type_id=types["key"],
            value_type_id=types["value"],
            pinning=self._pinning(numbers),
            section=SECTION,
            inner=inner,
        )

    def _once(self, numbers: dict[str, int], field: str, number: int) -> None:
        """key and key_size may both be there, and then agree; so may value, value_size and values."""
        if field.endswith("_size") and numbers.get(field, number) not in (0, number):
            raise self.error(f"is both {numbers[field]} and {number}", field=field)
        numbers[field] = number

    def _type(self, numbers: dict[str, int]) -> str:
        number = numbers.get("type", 0)
        if number == 0:
            raise self.error("has no type", help="add __uint(type, BPF_MAP_TYPE_...)")
        if number not in _TYPE_NAMES:
            raise self.error(f"{number} is not known", field="type", help="a newer bpfline may know it")
        return _TYPE_NAMES[number]

    def _pinning(self, numbers: dict[str, int]) -> bool:
        number = numbers.get("pinning", 0)
        if "pinning" in numbers and self.inner:
            raise self.error("cannot be asked for here: it is the template of a map", field="pinning")
        if number not in _PINNING:
            raise self.error(
                f"{number} is not known", field="pinning", help="use LIBBPF_PIN_BY_NAME or LIBBPF_PIN_NONE"
            )
        return bool(number)

    def _number(self, member: Member) -> int:
        """What __uint() says: the number of elements of an array that a pointer points to."""
        pointer = self.btf.resolve(member.type)
        if pointer.kind == Kind.PTR:
            target = self.btf.type(pointer.size_or_type)
            if target.kind == Kind.ARRAY:
                return self.btf.array(target.id).nelems
        raise self._unexpected(member, "a number", f"__uint({member.name}, ...)")

    def _long(self, member: Member) -> int:
        """What __uint() or __ulong() says: the latter is an enum of one value."""
        found = self.btf.resolve(member.type)
        if found.kind not in ENUMS:
            return self._number(member)
        values = self.btf.enumerators(found.id)
        if len(values) != 1:
            raise self._unexpected(member, "one number", f"__ulong({member.name}, ...)")
        return values[0].value & (1 << 64) - 1

    def _pointee(self, member: Member) -> tuple[int, int]:
        """What __type() says: the type that is pointed to, and its size."""
        pointer = self.btf.type(member.type)
        if pointer.kind != Kind.PTR:
            raise self._unexpected(member, "a type", f"__type({member.name}, ...)")
        try:
            return pointer.size_or_type, self.btf.size_of(pointer.size_or_type)
        except BtfError:
            raise self._unexpected(member, "a type with a size", f"__type({member.name}, ...)") from None

    def _values(self, member: Member, kind: str | None) -> Map | None:
        """What __array() says of a map of maps: the definition of the maps that it holds."""
        if self.inner:
            raise self.error("cannot be here: a map in a map holds no maps", field="values")
        if kind not in _OF_MAPS and kind != "prog_array":
            raise self.error("is for maps that hold maps or programs only", field="values")
        expected = "int (void *)" if kind == "prog_array" else "struct { ... }"
        problem = self._unexpected(member, "such an array", f"__array(values, {expected})")
        array = self.btf.type(member.type)
        if array.kind != Kind.ARRAY or self.btf.array(array.id).nelems:
            raise problem
        pointer = self.btf.resolve(self.btf.array(array.id).type)
        if pointer.kind != Kind.PTR:
            raise problem
        target = self.btf.resolve(pointer.size_or_type)
        if target.kind != (Kind.FUNC_PROTO if kind == "prog_array" else Kind.STRUCT):
            raise problem
        if kind == "prog_array":
            return None
        return _Reader(self.object_file, self.btf, f"{self.name}.inner", inner=True).map(target.id)

    def _unexpected(self, member: Member, expected: str, write: str) -> ObjectError:
        is_a = self.btf.describe(member.type)
        return self.error(f"is {is_a}, not {expected}", field=member.name, help=f"write {write}")


def _slots(object_file: ObjectFile, section: Section, found: list[Definition]) -> dict[str, tuple[Slot, ...]]:
    """The initial values, by the map that they go into (bpf_object__collect_map_relos in libbpf)."""
    slots: dict[str, dict[int, str]] = {}
    names = {each.map.name for each in found}
    starts = [each.offset for each in found]
    for relocation in object_file.relocations.get(section.index, ()):
        definition = found[bisect_right(starts, relocation.offset) - 1] if found else None
        if definition is None or not definition.offset <= relocation.offset <= definition.end - _POINTER:
            raise ObjectError(
                f"has a pointer at {relocation.offset} in .maps, where no map is", where=object_file.path
            )
        name = definition.map.name
        first = definition.values_offset
        if first is None or relocation.offset < first or (relocation.offset - first) % _POINTER:
            raise ObjectError(
                f"map {name} has an initial value that is not one of its values", where=object_file.path
            )
        index = (relocation.offset - first) // _POINTER
        target = _target(object_file, section, definition.map, relocation, names)
        slots.setdefault(name, {})[index] = target
    return {name: tuple(Slot(*slot) for slot in sorted(values.items())) for name, values in slots.items()}


def _target(
    object_file: ObjectFile, section: Section, outer: Map, relocation: Relocation, maps: set[str]
) -> str:
    """The map or the program that an initial value of outer points to."""
    symbol = object_file.symbols[relocation.symbol]
    what = symbol.name or "a static variable or function"
    if outer.type in _OF_MAPS:
        # The kernel side writes slot numbers as keys.
        if outer.type == "hash_of_maps" and outer.key_size != _FD:
            raise ObjectError(
                f"map {outer.name} has initial values and a key of {outer.key_size} bytes, not of 4",
                where=object_file.path,
            )
        if symbol.section == section.index and symbol.name in maps:
            return symbol.name
        raise ObjectError(f"map {outer.name} holds maps, and {what} is none", where=object_file.path)
    home = None if symbol.section is None else object_file.sections[symbol.section]
    if home is None or symbol.type != "STT_FUNC" or not home.executable or home.name == ".text":
        raise ObjectError(
            f"map {outer.name} holds programs, and {what} is none",
            where=object_file.path,
            help="a program has a SEC() and is not static",
        )
    return symbol.name
