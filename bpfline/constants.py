# SPDX-License-Identifier: Apache-2.0
"""Constants set before loading: values for global variables, checked against their BTF types.

What the verifier reads in .rodata it takes for granted, so code behind a constant that says no is not
even looked at.
"""

from __future__ import annotations

import difflib
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bpfline_loader.btf import COMPOSITES, Btf, Kind, Member, Type

from .datasec import Variable
from .errors import SettingsError

Value = bool | int | float | str
"""As TOML has it; what the command line gives is a str, which is read as its variable's type."""


@dataclass(frozen=True)
class Given:
    """A value for a variable, and where it was given."""

    value: Value
    where: str | None = None


_PATH = re.compile(r"[^.\[\]]+|\.[^.\[\]]+|\[(0[xX][0-9a-fA-F]{1,8}|[0-9]{1,10})\]")
_BOOLS = {"true": 1, "false": 0, "1": 1, "0": 0, "y": 1, "n": 0}
_ESCAPES = {"n": 10, "t": 9, "r": 13, "0": 0, "\\": 92, "'": 39}
_SIGNED, _BOOL = 1, 4  # BTF_INT_*, linux/btf.h
_SHOWN = 8  # enumerators in a message


def apply(
    data: Mapping[str, bytes],
    btf: Btf | None,
    inside: Mapping[str, Sequence[Variable]],
    values: Mapping[str, Given],
) -> dict[str, bytes]:
    """The contents of the sections that values change. data, inside: each section's contents and
    variables. SettingsError, where the value was given, for one that cannot be set."""
    changed: dict[str, bytearray] = {}
    for name, given in values.items():
        try:
            section, variable, path = _find(inside, name)
            if btf is None:  # then nothing was found
                continue
            found, offset = _follow(btf, name, variable, path)
            contents = changed.setdefault(section, bytearray(data[section]))
            end = offset + btf.size_of(found.id)
            if end > len(contents):
                raise SettingsError(f"{name} lies past the end of {section}", help="compile it again")
            contents[offset:end] = _encoded(btf, name, found, given.value)
        except SettingsError as error:
            error.where = given.where
            raise
    return {section: bytes(contents) for section, contents in changed.items()}


def variable_of(name: str) -> str:
    """ "table" of "table[2].limit"."""
    return re.split(r"[.\[]", name)[0]


def _find(inside: Mapping[str, Sequence[Variable]], name: str) -> tuple[str, Variable, list[str]]:
    """The section and the variable that name begins with, and the steps that follow."""
    steps = [found[0] for found in _PATH.finditer(name)]
    if not steps or "".join(steps) != name or steps[0][0] in ".[":
        raise SettingsError(f"{name!r} is no variable", help="write name, name[2] or name.member")
    homes = [
        (section, variable)
        for section, variables in inside.items()
        for variable in variables
        if variable.name == steps[0]
    ]
    if len(homes) == 1:
        return *homes[0], steps[1:]
    if homes:
        raise SettingsError(f"there are {len(homes)} variables {steps[0]}", help="rename all but one")
    known = [variable.name for variables in inside.values() for variable in variables]
    near = difflib.get_close_matches(steps[0], known)
    raise SettingsError(
        f"there is no global variable {steps[0]}",
        help="near it: " + ", ".join(near) if near else "declare it as: const volatile int " + steps[0],
    )


def _follow(btf: Btf, name: str, variable: Variable, path: Sequence[str]) -> tuple[Type, int]:
    """The type that path leads to, and its offset in the section."""
    found, offset = btf.resolve(variable.type_id), variable.offset
    for step in path:
        if step[0] == "[":
            index = int(step[1:-1], 0 if step[1:3] in ("0x", "0X") else 10)
            if found.kind != Kind.ARRAY:
                raise SettingsError(f"{name}: {btf.describe(found.id)} is no array")
            array = btf.array(found.id)
            if index >= array.nelems:
                raise SettingsError(f"{name}: {btf.describe(found.id)} has no element {index}")
            found, offset = btf.resolve(array.type), offset + index * btf.size_of(array.type)
        else:
            found, offset = _member(btf, name, found, offset, step[1:])
    return found, offset


def _member(btf: Btf, name: str, found: Type, offset: int, wanted: str) -> tuple[Type, int]:
    members = list(_members(btf, found, offset * 8, set())) if found.kind in COMPOSITES else []
    for member, bits in members:
        if member.name == wanted:
            if member.bit_size or bits % 8:
                raise SettingsError(f"{name} is a bit-field, which cannot be set")
            return btf.resolve(member.type), bits // 8
    near = difflib.get_close_matches(wanted, [member.name for member, _ in members])
    raise SettingsError(
        f"{name}: {btf.describe(found.id)} has no member {wanted}",
        help="near it: " + ", ".join(near) if near else "",
    )


def _members(btf: Btf, found: Type, bits: int, seen: set[int]) -> Iterator[tuple[Member, int]]:
    """The members of a struct or union that begins at bits, each with where it begins; of a member without
    a name its own, as in C, where no type can be there twice. Damaged BTF may lead in circles: seen."""
    seen.add(found.id)
    for member in btf.members(found.id):
        at = bits + member.bit_offset
        inner = btf.resolve(member.type)
        if member.name or inner.kind not in COMPOSITES:
            yield member, at
        elif inner.id not in seen:
            yield from _members(btf, inner, at, seen)


def _encoded(btf: Btf, name: str, found: Type, value: Value) -> bytes:
    """value in the bytes of its type."""
    order = "<" if btf.byteorder == "little" else ">"
    if found.kind == Kind.INT:
        return _integer(btf, name, found, value)
    if found.kind in (Kind.ENUM, Kind.ENUM64):
        return _enum(btf, name, found, value)
    if found.kind == Kind.FLOAT and found.size_or_type in (4, 8):
        try:
            return struct.pack(order + ("f" if found.size_or_type == 4 else "d"), float(value))
        except (ValueError, OverflowError):
            raise _wrong(btf, name, found, value) from None
    if found.kind == Kind.ARRAY:
        return _text(btf, name, found, value)
    raise SettingsError(
        f"{name} is {btf.describe(found.id)}, which cannot be set as a whole",
        help=f"set its members: {name}.member" if found.kind in COMPOSITES else "",
    )


def _integer(btf: Btf, name: str, found: Type, value: Value) -> bytes:
    size, encoding = found.size_or_type, btf.integer(found.id).encoding
    if encoding & _BOOL:
        number = _BOOLS.get(str(value).lower())
    else:
        number = _number(value)
        if number is None and size == 1 and isinstance(value, str):
            number = _character(value, bool(encoding & _SIGNED))
    if number is None:
        raise _wrong(btf, name, found, value)
    return _packed(btf, name, found, number, bool(encoding & _SIGNED))


def _enum(btf: Btf, name: str, found: Type, value: Value) -> bytes:
    known = {each.name: each.value for each in btf.enumerators(found.id)}
    number = known.get(value) if isinstance(value, str) else None
    if number is None:
        number = _number(value)
    if number is None:
        near = difflib.get_close_matches(str(value), known)
        names = ", ".join(near or list(known)[:_SHOWN]) + (
            ", ..." if len(known) > _SHOWN and not near else ""
        )
        raise SettingsError(
            f"{name}: {btf.describe(found.id)} has no {value!r}",
            help=f"near it: {names}" if near else f"it has {names}, or write a number",
        )
    if found.kflag:
        return _packed(btf, name, found, number, True)
    # Whether it is signed was not written down before Linux 6.0 (clang 16): a negative number says so itself.
    bits = found.size_or_type * 8
    if not -(1 << bits - 1) <= number < 1 << bits:
        raise _too_large(btf, name, found, number, f"{-(1 << bits - 1)} to {(1 << bits) - 1}")
    return _packed(btf, name, found, number, number < 0)


def _packed(btf: Btf, name: str, found: Type, number: int, signed: bool) -> bytes:
    size = found.size_or_type
    try:
        return number.to_bytes(size, "little" if btf.byteorder == "little" else "big", signed=signed)
    except OverflowError:
        raise _too_large(btf, name, found, number, _range(size, signed)) from None


def _too_large(btf: Btf, name: str, found: Type, number: int, holds: str) -> SettingsError:
    what = f"{name}: {number} does not fit into {btf.describe(found.id)}"
    return SettingsError(what, help=f"it holds {holds}")


def _range(size: int, signed: bool) -> str:
    """What an integer of so many bytes holds."""
    bits = size * 8
    return f"{-(1 << bits - 1)} to {(1 << bits - 1) - 1}" if signed else f"0 to {(1 << bits) - 1}"


def _text(btf: Btf, name: str, found: Type, value: Value) -> bytes:
    """A string and its NUL, the rest zero, for an array of characters."""
    array = btf.array(found.id)
    element = btf.resolve(array.type)
    if element.kind != Kind.INT or element.size_or_type != 1:
        raise SettingsError(
            f"{name} is {btf.describe(found.id)}, which cannot be set as a whole",
            help=f"set its elements: {name}[0]",
        )
    if not isinstance(value, str):
        raise _wrong(btf, name, found, value)
    encoded = value.encode(errors="surrogateescape")
    if len(encoded) >= array.nelems:
        raise SettingsError(
            f"{name}: {btf.describe(found.id)} has no room for {len(encoded)} bytes and a NUL"
        )
    return encoded.ljust(array.nelems, b"\0")


def _number(value: Value) -> int | None:
    """A whole number, as C writes them."""
    if isinstance(value, float):
        return None
    if isinstance(value, int):
        return int(value)
    found = re.fullmatch(r"\s*([-+]?)(0[xX][0-9a-fA-F]+|0[bB][01]+|0[0-7]*|[1-9][0-9]*)\s*", value)
    if found is None or len(value) > 70:
        return None
    digits = found[2]
    octal = digits[0] == "0" and digits[1:].isdigit()
    number = int(digits, 8) if octal else int(digits, 0)
    return -number if found[1] == "-" else number


def _character(value: str, signed: bool) -> int | None:
    """'a' with or without its quotes, '\\n' with an escape."""
    text = value[1:-1] if len(value) > 2 and value[0] == value[-1] == "'" else value
    if len(text) == 2 and text[0] == "\\":
        return _ESCAPES.get(text[1])
    encoded = text.encode(errors="surrogateescape")
    if len(encoded) != 1:
        return None
    return encoded[0] - 256 if signed and encoded[0] > 127 else encoded[0]


def _wrong(btf: Btf, name: str, found: Type, value: Value) -> SettingsError:
    what = f"{name} is {btf.describe(found.id)}, which {value!r} is not"
    return SettingsError(what, help=f"it holds {_holds(btf, found)}")


def _holds(btf: Btf, found: Type) -> str:
    if found.kind == Kind.FLOAT:
        return "a number, such as 0.5"
    if found.kind == Kind.ARRAY:
        return f"text of at most {btf.array(found.id).nelems - 1} bytes"
    encoding = btf.integer(found.id).encoding
    if encoding & _BOOL:
        return "true or false"
    character = "'a' or " if found.size_or_type == 1 else ""
    return character + _range(found.size_or_type, bool(encoding & _SIGNED))
