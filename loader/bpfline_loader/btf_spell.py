# SPDX-License-Identifier: Apache-2.0
"""Types and CO-RE records in words, as somebody who reads C would write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .btf_types import COMPOSITES, ENUMS, BtfError, Kind

if TYPE_CHECKING:
    from .btf import Btf

_MAX_DEPTH = 32  # what is nested deeper is left out of a message
_MAX_STEPS = 64  # of an access string; BPF_CORE_SPEC_MAX_LEN of the kernel
_KEYWORDS = {
    Kind.STRUCT: "struct ", Kind.UNION: "union ", Kind.ENUM: "enum ", Kind.ENUM64: "enum ",
}  # fmt: skip
_QUALIFIERS = {Kind.CONST: "const", Kind.VOLATILE: "volatile", Kind.RESTRICT: "restrict"}

# enum bpf_core_relo_kind (linux/bpf.h)
_RELO_KINDS = (
    "field offset", "field size", "field exists", "field signedness", "bit-field left shift",
    "bit-field right shift", "local type id", "kernel type id", "type exists", "type size",
    "enumerator exists", "enumerator value", "type matches",
)  # fmt: skip
TYPE_RELOS = frozenset({6, 7, 8, 9, 12})


def relo_kind_name(kind: int) -> str:
    """0 -> "field offset": what a CO-RE record of that kind (BPF_CORE_*) asks for."""
    return _RELO_KINDS[kind] if 0 <= kind < len(_RELO_KINDS) else f"relocation of kind {kind}"


def describe(btf: Btf, type_id: int, depth: int = _MAX_DEPTH) -> str:
    """Btf.describe, as far as depth goes."""
    if not depth:
        return "..."
    found = btf.type(type_id)
    if found.kind == Kind.PTR:
        pointee = describe(btf, found.size_or_type, depth - 1)
        return pointee + ("*" if pointee.endswith("*") else " *")
    if found.kind in _QUALIFIERS:
        word, qualified = _QUALIFIERS[Kind(found.kind)], describe(btf, found.size_or_type, depth - 1)
        return f"{qualified} {word}" if qualified.endswith("*") else f"{word} {qualified}"
    if found.kind == Kind.ARRAY:
        return _describe_array(btf, type_id, depth)
    if found.kind == Kind.TYPE_TAG:
        return describe(btf, found.size_or_type, depth - 1)
    if found.kind == Kind.FWD:  # kflag: of a union
        return ("union " if found.kflag else "struct ") + found.name
    if found.kind == Kind.FUNC_PROTO:
        return "function"
    if found.kind in _KEYWORDS:
        return _KEYWORDS[Kind(found.kind)] + (found.name or "(anonymous)")
    return found.name


def _describe_array(btf: Btf, type_id: int, depth: int) -> str:
    sizes = ""
    while depth and btf.type(type_id).kind == Kind.ARRAY:
        array, depth = btf.array(type_id), depth - 1
        sizes, type_id = sizes + f"[{array.nelems}]", array.type
    return describe(btf, type_id, depth) + sizes


def access(btf: Btf, type_id: int, access_str: str, kind: int = 0) -> str:
    """Btf.access"""
    if kind in TYPE_RELOS:
        return describe(btf, type_id)
    root, steps = btf.resolve(type_id), _steps(access_str)
    name = btf.type(type_id).name or root.name or describe(btf, type_id)
    if root.kind in ENUMS:
        values = btf.enumerators(root.id)
        if len(steps) != 1 or steps[0] >= len(values):
            raise BtfError(f"BTF type {type_id} has no enumerator {access_str}")
        return f"{name}::{values[steps[0]].name}"
    text = name + (f"[{steps[0]}]" if steps[0] else "")
    at = type_id
    for step in steps[1:]:
        found = btf.resolve(at)
        if found.kind == Kind.ARRAY:
            text, at = f"{text}[{step}]", btf.array(found.id).type
        elif found.kind in COMPOSITES and step < found.vlen:
            member = btf.members(found.id)[step]
            # The members of an anonymous one are named as if they were its outer one's own.
            text, at = text + (f".{member.name}" if member.name else ""), member.type
        else:
            raise BtfError(f"BTF type {type_id} has no part {access_str}")
    return text


def _steps(access_str: str) -> list[int]:
    steps = access_str.split(":")
    # Not isdigit() alone: int() refuses digits such as a superscript two.
    if len(steps) > _MAX_STEPS or not all(s.isascii() and s.isdigit() and len(s) < 10 for s in steps):
        raise BtfError(f"BTF has a CO-RE access that is none: {access_str[:80]}")
    return [int(step) for step in steps]
