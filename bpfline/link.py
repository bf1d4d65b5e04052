# SPDX-License-Identifier: Apache-2.0
"""Linking: from the functions of .text to the instructions of one program, the entry first.

A bpf-to-bpf call is relative, so a callee can stand anywhere after its caller as long as the
distance in the call is made right; each program gets its own copy of what it calls. The callees
follow in libbpf's order: depth-first, each appended when its first call is met.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from .elf import R_BPF_64_32, ObjectFile, Section, Symbol
from .errors import AuditError

INSN_SIZE = 8
BPF_CALL, BPF_CALLX, BPF_LD_IMM_DW = (
    0x85,
    0x8D,
    0x18,
)  # BPF_JMP|BPF_CALL, the same |BPF_X, BPF_LD|BPF_IMM|BPF_DW
BPF_PSEUDO_CALL = 1  # linux/bpf.h: src_reg of a call to another function of the program


@dataclass(frozen=True)
class Insn:
    """struct bpf_insn of linux/bpf.h, without its registers apart."""

    code: int
    src_reg: int
    off: int
    imm: int

    @classmethod
    def at(cls, data: bytes, offset: int, order: str) -> Insn:
        code, registers, off, imm = struct.unpack_from(order + "BBhi", data, offset)
        # dst_reg and src_reg are bit fields: the first one stands in the low bits only where the
        # low byte comes first.
        return cls(code, registers >> 4 if order == "<" else registers & 0xF, off, imm)


class Linker:
    """The functions of one section, and the calls between them.

    where(offset) gives the source line of an instruction, for messages.
    """

    def __init__(self, object_file: ObjectFile, section: Section, where: Callable[[int], str]):
        self.data = section.data
        self.functions = object_file.functions(section)
        self.order = "<" if object_file.byteorder == "little" else ">"
        self.where = where
        self._by_offset = {function.value: function for function in reversed(self.functions)}
        self._targets = {
            entry.offset: object_file.symbols[entry.symbol]
            for entry in object_file.relocations.get(section.index, ())
            if entry.type == R_BPF_64_32
        }

    def calls(self, function: Symbol) -> list[tuple[int, Symbol]]:
        """(offset of the call in the section, callee) for each call from function to another."""
        found = []
        offset, end = function.value, function.value + function.size
        while offset < end:
            insn = Insn.at(self.data, offset, self.order)
            if insn.code == BPF_CALL and insn.src_reg == BPF_PSEUDO_CALL:
                found.append((offset, self._callee(offset, insn)))
            offset += 2 * INSN_SIZE if insn.code == BPF_LD_IMM_DW else INSN_SIZE
        return found

    def _callee(self, offset: int, insn: Insn) -> Symbol:
        """Three forms, as in libbpf's bpf_object__reloc_code: against the function, against its
        section (both count imm + 1 instructions from the symbol), and without a relocation."""
        symbol = self._targets.get(offset)
        if symbol is None:
            target = offset + (insn.imm + 1) * INSN_SIZE
        else:
            target = symbol.value + (insn.imm + 1) * INSN_SIZE
            if symbol.section is None:
                raise AuditError(
                    f"calls {symbol.name}(), which this object does not have",
                    where=self.where(offset),
                    help="define it in this source; kfuncs and other externs are not linked yet",
                )
        callee = self._by_offset.get(target)
        if callee is None:
            raise AuditError(
                "calls into the middle of nowhere", where=self.where(offset), help="compile it again"
            )
        return callee

    def program(self, entry: Symbol) -> bytes:
        """The instructions of the program that starts at entry."""
        placed = {entry.value: 0}
        code = bytearray(self._body(entry))
        pending = [iter(self.calls(entry))]
        while pending:
            for _, callee in pending[-1]:
                if callee.value not in placed:
                    placed[callee.value] = len(code)
                    code += self._body(callee)
                    pending.append(iter(self.calls(callee)))
                    break
            else:
                pending.pop()
        for start, at in placed.items():
            for offset, callee in self.calls(self._by_offset[start]):
                here = at + offset - start
                distance = (placed[callee.value] - here) // INSN_SIZE - 1
                struct.pack_into(self.order + "i", code, here + 4, distance)
        return bytes(code)

    def _body(self, function: Symbol) -> bytes:
        return self.data[function.value : function.value + function.size]
