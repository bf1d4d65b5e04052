# SPDX-License-Identifier: Apache-2.0
"""BTF, read: the types of an object or of the running kernel (Documentation/bpf/btf.rst, linux/btf.h).

A kernel's BTF is 5 MB and 120,000 types, of which a program needs a handful: parsing finds where each
type starts and nothing else, and a type becomes a Python object when it is asked for.
"""

from __future__ import annotations

import struct
from array import array
from typing import Dict, Iterable, Iterator, List, Optional, Tuple

from . import btf_spell as spell
from .btf_raw import Raw, cut
from .btf_spell import relo_kind_name
from .btf_types import (
    COMPOSITES,
    ENUMS,
    MODIFIERS,
    NAMES_ANOTHER,
    SIZED,
    Array,
    BtfError,
    Enumerator,
    Integer,
    Kind,
    Linkage,
    Member,
    Param,
    Type,
    Variable,
)

__all__ = [
    "COMPOSITES", "ENUMS", "MODIFIERS", "Array", "Btf", "BtfError", "Enumerator", "Integer", "Kind",
    "Linkage", "Member", "Param", "Type", "Variable", "relo_kind_name",
]  # fmt: skip

_MAX_DEPTH = 32  # of typedefs, modifiers, arrays and pointers on each other; MAX_RESOLVE_DEPTH of libbpf
_MAX_NAME = 4096  # the kernel takes 511 bytes at most (KSYM_NAME_LEN); more is damage
_MAX_SIZE = 0xFFFFFFFF
POINTER_SIZE = 8  # of BPF, and of every kernel that has BTF for our purposes


class Btf:
    """Types by their id; 0 is void. The BTF of a module continues its base's ids and strings.

    count: one more than the last id. strings: this BTF's own string section. words: its own type
    section as 32-bit numbers in this machine's byte order; nobody changes it. byteorder: of the data.
    Every method that reads raises BtfError for what is damaged, in bounded time.
    """

    def __init__(self, raw: Raw, base: Optional[Btf]):
        self.base = base
        self.byteorder, self.words, self.strings, self._starts, _ = self._raw = raw
        self.first_id: int = base.count if base else 1
        self.first_string: int = base.strings_end if base else 0
        self.strings_end: int = self.first_string + len(raw.strings)
        self.count: int = self.first_id + len(raw.starts)
        self._names = b""  # each type's name_off, in search of a name
        self._found: Dict[Tuple[str, int], Optional[int]] = {}

    @classmethod
    def parse(cls, data: bytes, base: Optional[Btf] = None) -> Btf:
        """data, as in an ELF file's .BTF or in /sys/kernel/btf; base: the kernel's for a module's.

        13 ms for the 5.5 MB of a Debian kernel, 126,585 types.
        """
        return cls(cut(data, base._raw if base else None), base)

    # Types

    def type(self, type_id: int) -> Type:
        owner: Optional[Btf] = self
        while owner is not None and type_id < owner.first_id:
            owner = owner.base
        if owner is None:
            if type_id == 0:
                return Type(0, Kind.VOID, "void", 0, False, 0, 0)
            raise BtfError(f"BTF has no type {type_id}")
        if type_id >= owner.count:
            raise BtfError(f"BTF has no type {type_id}: it has {owner.count - 1}")
        start = owner._starts[type_id - owner.first_id]
        name, info, size_or_type = owner.words[start : start + 3]
        kind, vlen, kflag = info >> 24 & 0x7F, info & 0xFFFFFF, bool(info >> 31)
        return Type(type_id, kind, owner.name(name), vlen, kflag, size_or_type, start)

    def of_kind(self, *kinds: int) -> Iterator[Type]:
        """This BTF's own types of these kinds."""
        for type_id, start in enumerate(self._starts, self.first_id):
            if self.words[start + 1] >> 24 & 0x7F in kinds:
                yield self.type(type_id)

    def resolve(self, type_id: int) -> Type:
        """The type behind typedefs, const, volatile, restrict and type tags."""
        for _ in range(_MAX_DEPTH):
            found = self.type(type_id)
            if found.kind not in MODIFIERS:
                return found
            type_id = found.size_or_type
        raise BtfError(f"BTF type {type_id} leads to no type in {_MAX_DEPTH} steps")

    def size_of(self, type_id: int) -> int:
        """Bytes of an object of that type, below 4 GiB; BtfError for what has no size (void, a function)."""
        elements, asked = 1, type_id
        for _ in range(_MAX_DEPTH):
            found = self.type(type_id)
            if found.kind == Kind.ARRAY:
                array_of = self.array(type_id)
                elements, type_id = elements * array_of.nelems, array_of.type
            elif found.kind in NAMES_ANOTHER:
                type_id = found.size_or_type
            elif found.kind in SIZED or found.kind == Kind.PTR:
                size = elements * (POINTER_SIZE if found.kind == Kind.PTR else found.size_or_type)
                if size > _MAX_SIZE:
                    break
                return size
            else:
                break
        raise BtfError(f"BTF type {asked} has no size")

    def align_of(self, type_id: int) -> int:
        """Bytes that a number, pointer or enum, or an array of such, is aligned to."""
        for _ in range(_MAX_DEPTH):
            found = self.resolve(type_id)
            if found.kind == Kind.PTR:
                return POINTER_SIZE
            if found.kind in ENUMS or found.kind in (Kind.INT, Kind.FLOAT):
                return min(POINTER_SIZE, found.size_or_type)
            if found.kind != Kind.ARRAY:
                break
            type_id = self.array(found.id).type
        raise BtfError(f"BTF type {type_id} is no number: its alignment is not known")

    # What follows a type

    def members(self, type_id: int) -> List[Member]:
        owner, found = self._owner(type_id, Kind.STRUCT, Kind.UNION)
        if not found.kflag:
            return [Member(owner.name(n), t, bits, 0) for n, t, bits in owner._records(found, 3)]
        return [
            Member(owner.name(n), t, bits & 0xFFFFFF, bits >> 24) for n, t, bits in owner._records(found, 3)
        ]

    def params(self, type_id: int) -> List[Param]:
        owner, found = self._owner(type_id, Kind.FUNC_PROTO)
        return [Param(owner.name(n), t) for n, t in owner._records(found, 2)]

    def enumerators(self, type_id: int) -> List[Enumerator]:
        """kflag says that they are signed (Linux 6.0); before, nothing did, and they read as unsigned."""
        owner, found = self._owner(type_id, Kind.ENUM, Kind.ENUM64)
        if found.kind == Kind.ENUM:
            return [Enumerator(owner.name(n), _signed(v, 32, found)) for n, v in owner._records(found, 2)]
        return [
            Enumerator(owner.name(n), _signed(high << 32 | low, 64, found))
            for n, low, high in owner._records(found, 3)
        ]

    def variables(self, type_id: int) -> List[Variable]:
        owner, found = self._owner(type_id, Kind.DATASEC)
        return [Variable(*record) for record in owner._records(found, 3)]

    def array(self, type_id: int) -> Array:
        owner, found = self._owner(type_id, Kind.ARRAY)
        return Array(*owner.words[found.start + 3 : found.start + 6])

    def integer(self, type_id: int) -> Integer:
        owner, found = self._owner(type_id, Kind.INT)
        word = owner.words[found.start + 3]
        return Integer(word >> 24 & 0x0F, word >> 16 & 0xFF, word & 0xFF)

    def linkage(self, type_id: int) -> int:
        """Linkage.* of a variable or function; a newer kernel may have more."""
        owner, found = self._owner(type_id, Kind.VAR, Kind.FUNC)
        return found.vlen if found.kind == Kind.FUNC else owner.words[found.start + 3]

    def component(self, type_id: int) -> int:
        """The member or parameter that a DECL_TAG is for; -1: the whole."""
        owner, found = self._owner(type_id, Kind.DECL_TAG)
        word = owner.words[found.start + 3]
        return word - (1 << 32) if word >> 31 else word

    # Names

    def string(self, offset: int) -> str:
        return self._bytes(offset, None).decode(errors="replace")

    def find(self, name: str, kind: int) -> Optional[int]:
        """The first type of that kind with that name, the base's before a module's own.

        Two bytes.find() in a Debian kernel's 2.3 MB of strings and 0.5 MB of name offsets: 0.5 ms, the
        first time 6 ms more to collect those offsets. An index of all names would take 45 ms to build.
        """
        found = self.base.find(name, kind) if self.base else None
        return self.find_own(name, kind) if found is None else found

    def find_own(self, name: str, kind: int) -> Optional[int]:
        """The same without the base's types."""
        if (name, kind) not in self._found:
            self._found[name, kind] = next(self._search(name.encode(), kind), None)
        return self._found[name, kind]

    def _search(self, name: bytes, kind: int) -> Iterator[int]:
        if not self._names:
            self._names = array("I", map(self.words.__getitem__, self._starts)).tobytes()
        for offset in self._string_offsets(name):
            key = struct.pack("=I", offset)
            at = self._names.find(key)
            while at >= 0:
                if at % 4 == 0 and self.words[self._starts[at // 4] + 1] >> 24 & 0x7F == kind:
                    yield self.first_id + at // 4
                at = self._names.find(key, at + 1)

    def describe(self, type_id: int) -> str:
        """As C would have it: "struct task_struct", "const char *", "int[4]"."""
        return spell.describe(self, type_id)

    def access(self, type_id: int, access_str: str, kind: int = 0) -> str:
        """What a CO-RE record is about: "task_struct.comm[2]", "bpf_func_id::BPF_FUNC_tail_call".

        kind: BPF_CORE_*; those that ask for a type are answered as describe() does.
        """
        return spell.access(self, type_id, access_str, kind)

    def _string_offsets(self, name: bytes) -> Iterator[int]:
        """Where the whole string stands: LLVM, pahole and libbpf write each once, and let none be the end
        of another. The second half comes first: pahole adds the functions last, and most ask for those.
        """
        if not name or b"\0" in name:
            return
        if self.base:
            yield from self.base._string_offsets(name)
        if self.strings.startswith(name + b"\0"):
            yield self.first_string
        whole, half = b"\0" + name + b"\0", len(self.strings) // 2
        for begin, end in ((half, len(self.strings)), (0, half + len(whole) - 1)):
            at = self.strings.find(whole, begin, end)
            while at >= 0:
                yield self.first_string + at + 1
                at = self.strings.find(whole, at + 1, end)

    def name(self, offset: int) -> str:
        """A string that names something, so a short one; "" at 0."""
        return self._bytes(offset, _MAX_NAME).decode(errors="replace") if offset else ""

    def _bytes(self, offset: int, limit: Optional[int]) -> bytes:
        if self.base is not None and offset < self.first_string:
            return self.base._bytes(offset, limit)
        at = offset - self.first_string
        if not 0 <= at < len(self.strings):
            raise BtfError(f"BTF has no string at {offset}")
        end = self.strings.find(b"\0", at, None if limit is None else at + limit)
        if end < 0:
            raise BtfError(f"BTF has a name of more than {_MAX_NAME} bytes")
        return self.strings[at:end]

    def _owner(self, type_id: int, *kinds: int) -> Tuple[Btf, Type]:
        """The BTF that has the type, which is one of kinds, and the type."""
        found = self.type(type_id)
        if found.kind not in kinds:
            raise BtfError(f"BTF type {type_id} is not {' or '.join(Kind(kind).name for kind in kinds)}")
        owner = self
        while type_id < owner.first_id and owner.base is not None:
            owner = owner.base
        return owner, found

    def _records(self, found: Type, size: int) -> Iterable[Tuple[int, ...]]:
        first, end = found.start + 3, found.start + 3 + size * found.vlen
        return zip(*(self.words[first + n : end : size] for n in range(size)))  # noqa: B905 (Python 3.10)


def _signed(value: int, bits: int, found: Type) -> int:
    return value - (1 << bits) if found.kflag and value >> (bits - 1) else value
