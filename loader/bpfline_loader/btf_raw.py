# SPDX-License-Identifier: Apache-2.0
"""The sections of raw BTF, cut out and checked: a header, types, strings (linux/btf.h)."""

from __future__ import annotations

import struct
import sys
from array import array
from typing import Dict, NamedTuple, Optional, Tuple

from .btf_types import BtfError, Kind

MAGIC = 0xEB9F
VERSION = 1
HEADER = "HBBIIIII"  # struct btf_header up to str_len
HEADER_SIZE = 24
_LAYOUT_END = 32  # its layout_off and layout_len, which came in 2026

# 32-bit words that follow struct btf_type, by kind: once, and for each of vlen.
Follows = Dict[int, Tuple[int, int]]
FOLLOWS: Follows = {
    **dict.fromkeys(range(Kind.INT, Kind.ENUM64 + 1), (0, 0)),
    Kind.INT: (1, 0),
    Kind.ARRAY: (3, 0),
    Kind.STRUCT: (0, 3),
    Kind.UNION: (0, 3),
    Kind.ENUM: (0, 2),
    Kind.FUNC_PROTO: (0, 2),
    Kind.VAR: (1, 0),
    Kind.DATASEC: (0, 3),
    Kind.DECL_TAG: (1, 0),
    Kind.ENUM64: (0, 3),
}


class Raw(NamedTuple):
    """byteorder: of the data. words: the type section as 32-bit numbers in this machine's own byte order.

    starts: where each type starts in words. follows: FOLLOWS and what the data's layout section adds.
    """

    byteorder: str
    words: array[int]
    strings: bytes
    starts: array[int]
    follows: Follows


def cut(data: bytes, base: Optional[Raw]) -> Raw:
    """The sections of data; base: those that it continues. BtfError for what is cut off or misplaced."""
    order = {b"\x9f\xeb": "<", b"\xeb\x9f": ">"}.get(data[:2])
    if order is None:
        raise BtfError("is not BTF (its magic number is missing)")
    if len(data) < HEADER_SIZE:
        raise BtfError("BTF is cut off in its header")
    _, version, _, header, type_off, type_len, str_off, str_len = struct.unpack_from(order + HEADER, data)
    if version != VERSION:
        raise BtfError(f"BTF has version {version}, known is {VERSION}")
    if not HEADER_SIZE <= header <= len(data):
        raise BtfError(f"BTF has a header of {header} bytes")
    if type_off % 4 or type_len % 4 or type_off + type_len > str_off:
        raise BtfError("BTF has its types where they cannot be")
    if header + str_off + str_len > len(data):
        raise BtfError("BTF is cut off in its strings")
    strings = data[header + str_off : header + str_off + str_len]
    if (not strings and base is None) or strings[-1:] not in (b"", b"\0"):
        raise BtfError("BTF has strings without an end")
    if base is None and strings[0]:
        raise BtfError("BTF does not start its strings with an empty one", help="is it a module's?")
    byteorder = "little" if order == "<" else "big"
    if base is not None and base.byteorder != byteorder:
        raise BtfError("BTF and its base have different byte orders")
    words = array("I", data[header + type_off : header + type_off + type_len])
    if byteorder != sys.byteorder:
        words.byteswap()
    known = base.follows if base else FOLLOWS
    follows = {**_layout(data, header, order), **known} if header >= _LAYOUT_END else known
    return Raw(byteorder, words, strings, _starts(words, follows), follows)


def _layout(data: bytes, header: int, order: str) -> Follows:
    """What the layout section (struct btf_layout, one for each kind) says of each kind's size."""
    offset, size = struct.unpack_from(order + "II", data, HEADER_SIZE)
    layout = data[header + offset : header + offset + size]
    if len(layout) != size or size % 4:
        raise BtfError("BTF is cut off in its layout section")
    return {kind: (layout[4 * kind] // 4, layout[4 * kind + 1] // 4) for kind in range(size // 4)}


class _Steps(Dict[int, int]):
    """The words of a type by its info word, worked out once for each info word that occurs."""

    def __init__(self, follows: Follows):
        super().__init__()
        self.follows = follows

    def __missing__(self, info: int) -> int:
        kind = info >> 24 & 0x7F
        if kind not in self.follows:
            raise BtfError(f"BTF has a type of unknown kind {kind}", help="a newer bpfline may know it")
        once, each = self.follows[kind]
        self[info] = 3 + once + each * (info & 0xFFFFFF)
        return self[info]


def _starts(words: array[int], follows: Follows) -> array[int]:
    starts, steps = array("I"), _Steps(follows)
    append, end, at = starts.append, len(words), 0
    try:
        while at < end:
            append(at)
            at += steps[words[at + 1]]
    except IndexError:
        at = end + 1
    if at != end:
        raise BtfError("BTF is cut off in its last type")
    return starts
