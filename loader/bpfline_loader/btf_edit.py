# SPDX-License-Identifier: Apache-2.0
"""BTF, changed: types patched in place, types and strings added behind; no type id moves."""

from __future__ import annotations

import struct
import sys
from array import array
from typing import Optional, Sequence

from .btf import Btf
from .btf_raw import HEADER, HEADER_SIZE, MAGIC, VERSION
from .btf_types import Type

_WORD = 0xFFFFFFFF  # what an ELF file says in 64 bits is cut to this, as libbpf does


class Edit:
    """A copy of a BTF that has no base (None: of an empty one), to be changed.

    words: its types as Btf.words has them. What the copy gives has a plain header: a layout section,
    which only kernels of 2026 and later read, is left out, and nothing needs it for known kinds.
    """

    def __init__(self, btf: Optional[Btf] = None):
        self.byteorder = btf.byteorder if btf else sys.byteorder
        self.words = array("I", btf.words if btf else ())
        self._strings = bytearray(btf.strings if btf else b"\0")
        self._next_id = btf.count if btf else 1

    def add_string(self, text: str) -> int:
        """The offset of text, added."""
        self._strings += text.encode() + b"\0"
        return len(self._strings) - len(text.encode()) - 1

    def add_type(
        self, kind: int, name: str = "", size_or_type: int = 0, *, vlen: int = 0, follows: Sequence[int] = ()
    ) -> int:
        """The id of a new type; follows: the words behind its struct btf_type."""
        self.words.extend((self.add_string(name) if name else 0, info(kind, vlen), size_or_type, *follows))
        self._next_id += 1
        return self._next_id - 1

    def set_info(self, found: Type, kind: int, vlen: int = 0) -> None:
        """Give found another kind, or another vlen (a function: another linkage), and no kflag."""
        self.words[found.start + 1] = info(kind, vlen)

    def set_name(self, found: Type, name: str) -> None:
        self.words[found.start] = self.add_string(name) if name else 0

    def set_size_or_type(self, found: Type, value: int) -> None:
        self.words[found.start + 2] = value & _WORD

    def set_following(self, found: Type, index: int, *values: int) -> None:
        """Write values over the words behind found's struct btf_type, from index on."""
        first = found.start + 3 + index
        self.words[first : first + len(values)] = array("I", [value & _WORD for value in values])

    def data(self) -> bytes:
        types = array("I", self.words)
        if self.byteorder != sys.byteorder:
            types.byteswap()
        order, size = "<" if self.byteorder == "little" else ">", 4 * len(types)
        header = struct.pack(
            order + HEADER, MAGIC, VERSION, 0, HEADER_SIZE, 0, size, size, len(self._strings)
        )
        return header + types.tobytes() + bytes(self._strings)


def info(kind: int, vlen: int = 0) -> int:
    """The info word of struct btf_type, without kflag."""
    return kind << 24 | vlen
