# SPDX-License-Identifier: Apache-2.0
"""What BTF is made of: kinds, linkage, and the records that follow a type (linux/btf.h)."""

from __future__ import annotations

import re
from enum import IntEnum
from typing import NamedTuple

from .errors import Problem


class BtfError(Problem):
    """BTF that is damaged, or that has not what is asked of it."""


class Kind(IntEnum):
    """BTF_KIND_*"""

    VOID = 0
    INT = 1
    PTR = 2
    ARRAY = 3
    STRUCT = 4
    UNION = 5
    ENUM = 6
    FWD = 7
    TYPEDEF = 8
    VOLATILE = 9
    CONST = 10
    RESTRICT = 11
    FUNC = 12
    FUNC_PROTO = 13
    VAR = 14
    DATASEC = 15
    FLOAT = 16
    DECL_TAG = 17
    TYPE_TAG = 18
    ENUM64 = 19


class Linkage(IntEnum):
    """BTF_VAR_* and BTF_FUNC_*: of a variable (Btf.linkage) and of a function (its vlen)."""

    STATIC = 0
    GLOBAL = 1
    EXTERN = 2


COMPOSITES = frozenset({Kind.STRUCT, Kind.UNION})
ENUMS = frozenset({Kind.ENUM, Kind.ENUM64})
MODIFIERS = frozenset({Kind.TYPEDEF, Kind.VOLATILE, Kind.CONST, Kind.RESTRICT, Kind.TYPE_TAG})
SIZED = frozenset({Kind.INT, Kind.STRUCT, Kind.UNION, Kind.ENUM, Kind.DATASEC, Kind.FLOAT, Kind.ENUM64})
NAMES_ANOTHER = MODIFIERS | {Kind.VAR, Kind.DECL_TAG}


class Type(NamedTuple):
    """struct btf_type. name: "" without. start: where it stands in Btf.words (of the BTF that has it)."""

    id: int
    kind: int
    name: str
    vlen: int
    kflag: bool
    size_or_type: int
    start: int


class Member(NamedTuple):
    """Of a struct or union. bit_size: 0 where it is no bit-field."""

    name: str
    type: int
    bit_offset: int
    bit_size: int


class Param(NamedTuple):
    """Of a function's prototype; the last of a variadic one is ("", 0)."""

    name: str
    type: int


class Enumerator(NamedTuple):
    name: str
    value: int


class Variable(NamedTuple):
    """A DATASEC's entry (struct btf_var_secinfo): type is the id of a VAR, offset and size in bytes."""

    type: int
    offset: int
    size: int


class Array(NamedTuple):
    type: int
    index_type: int
    nelems: int


class Integer(NamedTuple):
    """encoding: BTF_INT_SIGNED 1, _CHAR 2, _BOOL 4."""

    encoding: int
    offset: int
    bits: int


_FLAVOUR = re.compile(r"(.*[^_])___[^_]", re.DOTALL)


def essential_name(name: str) -> str:
    """A type's or a function's name in the kernel: what stands before its flavour, the last one
    (bpf_core_essential_name_len in libbpf)."""
    flavoured = _FLAVOUR.match(name)
    return flavoured[1] if flavoured else name
