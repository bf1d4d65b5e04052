# SPDX-License-Identifier: Apache-2.0
"""Relocation: a function's instructions as far as they do not depend on the program they end up in.

What they say of maps, data and the kernel becomes fix-ups (bpf_program__record_reloc and
bpf_object__relocate_data in libbpf), its calls become uses for the linker, and its records of
.BTF.ext count from its start.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from bpfline_loader.bundle import INSN_SIZE, Fixup
from bpfline_loader.errors import Problem

from .btf_ext import Ext
from .elf import R_BPF_64_32, R_BPF_64_64, ObjectFile, Relocation, Section, Symbol
from .errors import AuditError

# Opcodes: BPF_JMP|BPF_CALL, BPF_LD|BPF_IMM|BPF_DW
BPF_CALL, BPF_LD_IMM_DW = 0x85, 0x18
# linux/bpf.h: src_reg of a BPF_LD_IMM_DW and of a call
BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_VALUE, BPF_PSEUDO_BTF_ID, BPF_PSEUDO_FUNC = 1, 2, 3, 4
BPF_PSEUDO_CALL, BPF_PSEUDO_KFUNC_CALL = 1, 2

# src_reg for each kind of bundle.Fixup; an "address" is a plain number.
_SRC_REG = {
    "map": BPF_PSEUDO_MAP_FD,
    "map_value": BPF_PSEUDO_MAP_VALUE,
    "ksym": BPF_PSEUDO_BTF_ID,
    "address": 0,
    "kfunc": BPF_PSEUDO_KFUNC_CALL,
}

Key = tuple[int, int]
"""A function by the index of its section and its place in it."""


class Use(NamedTuple):
    """At instruction insn of a function: a call of another, or its address for a callback."""

    insn: int
    callee: Key


@dataclass(frozen=True)
class Function:
    """A function, everything in it counted from its start.

    func_info, line_info, core_relos: the numbers of its records of .BTF.ext (2, 4 and 4 each), of
    which the first is an offset in bytes.
    """

    section: Section
    symbol: Symbol
    code: bytes
    uses: Sequence[Use]
    fixups: Sequence[Fixup]
    func_info: Sequence[int]
    line_info: Sequence[int]
    core_relos: Sequence[int]


class Functions:
    """The functions of an object by their keys, each made when it is first asked for.

    place(symbol, addend) tells what a relocation means, as (a Fixup's kind, its target, the offset for
    the second half of a BPF_LD_IMM_DW); it raises Problem for what means nothing. where(section,
    offset) gives an instruction's source line. Asking raises AuditError for what cannot be relocated.
    """

    def __init__(
        self,
        object_file: ObjectFile,
        ext: Ext,
        place: Callable[[Symbol, int], tuple[str, str, int]],
        where: Callable[[Section, int], str],
    ):
        self.symbols: Mapping[Key, Symbol] = {
            (section.index, symbol.value): symbol
            for section in object_file.sections
            if section.executable
            for symbol in reversed(object_file.functions(section))
        }
        self.order = "<" if object_file.byteorder == "little" else ">"
        self.where = where
        self._file, self._ext, self._place = object_file, ext, place
        self._relocations = {at: sorted(entries) for at, entries in object_file.relocations.items()}
        self._made: dict[Key, Function] = {}

    def __getitem__(self, key: Key) -> Function:
        if key not in self._made:
            self._made[key] = self._make(key, self.symbols[key])
        return self._made[key]

    def _make(self, key: Key, symbol: Symbol) -> Function:
        section = self._file.sections[key[0]]
        start, end = symbol.value, symbol.value + symbol.size
        body = _Body(section, start, bytearray(section.data[start:end]), self.order)
        uses: dict[int, Use] = {}
        fixups: list[Fixup] = []
        entries = self._relocations.get(section.index, [])
        for entry in entries[bisect_left(entries, (start,)) : bisect_left(entries, (end,))]:
            found = self._relocate(body, entry)
            if isinstance(found, Fixup):
                fixups.append(found)
            else:
                uses[found.insn] = found
        for insn in body.calls():
            if insn not in uses:
                # A static function of its own section: no relocation, and the distance is right as it is.
                uses[insn] = self._use(
                    body, insn, (section.index, start + (insn + 1 + body.imm(insn)) * INSN_SIZE)
                )
        return Function(
            section,
            symbol,
            bytes(body.code),
            [uses[insn] for insn in sorted(uses)],
            fixups,
            *(
                _own(kind.get(section.name, []), start, end)
                for kind in (self._ext.func, self._ext.line, self._ext.core)
            ),
        )

    def _relocate(self, body: _Body, entry: Relocation) -> Use | Fixup:
        """Apply one relocation. As for libbpf, the instruction says what it means."""
        insn, odd = divmod(entry.offset - body.start, INSN_SIZE)
        if odd or entry.type not in (R_BPF_64_64, R_BPF_64_32) or not body.takes_relocation(insn):
            raise self._error(
                body, insn, f"has a relocation (type {entry.type}) that means nothing at its instruction"
            )
        symbol = self._file.symbols[entry.symbol]
        call, imm = body.opcode(insn) == BPF_CALL, body.imm(insn)
        if call and symbol.section is not None:
            # Against the function (imm is -1) or its section: both count from the symbol.
            return self._use(body, insn, (symbol.section, symbol.value + (imm + 1) * INSN_SIZE))
        if symbol.section is not None and self._file.sections[symbol.section].executable:
            body.set_src_reg(insn, BPF_PSEUDO_FUNC)
            return self._use(body, insn, (symbol.section, symbol.value + imm))  # here imm counts bytes
        try:
            kind, target, offset = self._place(symbol, imm)
        except Problem as problem:
            raise self._error(body, insn, problem.what, problem.help) from None
        if kind == "kfunc" and not call:
            kind = "ksym"  # whether the kernel has it: bpf_ksym_exists()
        if call != (kind == "kfunc"):
            raise self._error(body, insn, f"calls {target}, which is no function")
        body.set_src_reg(insn, _SRC_REG[kind])
        body.set_imm(insn, 0)
        if not call:
            body.set_imm(insn + 1, offset)
        return Fixup(insn, kind, target)

    def _use(self, body: _Body, insn: int, callee: Key) -> Use:
        if callee not in self.symbols:
            raise self._error(body, insn, "calls into the middle of nowhere")
        return Use(insn, callee)

    def _error(self, body: _Body, insn: int, what: str, help: str = "compile it again") -> AuditError:  # noqa: A002
        return AuditError(what, where=self.where(body.section, body.start + insn * INSN_SIZE), help=help)


@dataclass(frozen=True)
class _Body:
    """The instructions of a function from start on (struct bpf_insn, linux/bpf.h), to be changed."""

    section: Section
    start: int
    code: bytearray
    order: str

    def opcode(self, insn: int) -> int:
        return self.code[insn * INSN_SIZE]

    def takes_relocation(self, insn: int) -> bool:
        """Whether it calls something that is no helper, or is a BPF_LD_IMM_DW with both of its halves."""
        if self.opcode(insn) == BPF_CALL:
            return self.src_reg(insn) == BPF_PSEUDO_CALL
        return self.opcode(insn) == BPF_LD_IMM_DW and (insn + 2) * INSN_SIZE <= len(self.code)

    def imm(self, insn: int) -> int:
        value: int = struct.unpack_from(self.order + "i", self.code, insn * INSN_SIZE + 4)[0]
        return value

    def set_imm(self, insn: int, value: int) -> None:
        struct.pack_into(self.order + "I", self.code, insn * INSN_SIZE + 4, value & 0xFFFFFFFF)

    # dst_reg and src_reg are bit fields: the first one stands in the low bits only where the low byte
    # comes first.
    def src_reg(self, insn: int) -> int:
        registers = self.code[insn * INSN_SIZE + 1]
        return registers >> 4 if self.order == "<" else registers & 0xF

    def set_src_reg(self, insn: int, value: int) -> None:
        at = insn * INSN_SIZE + 1
        registers = self.code[at]
        self.code[at] = registers & 0xF | value << 4 if self.order == "<" else registers & 0xF0 | value

    def calls(self) -> list[int]:
        """The instructions that call another function of the program."""
        opcodes, found, insn = self.code[::INSN_SIZE], [], -1
        while (insn := opcodes.find(BPF_CALL, insn + 1)) >= 0:
            if self.src_reg(insn) == BPF_PSEUDO_CALL:
                found.append(insn)
        return found


def _own(records: Sequence[tuple[int, ...]], start: int, end: int) -> list[int]:
    """The numbers of those of a section's records that are for its bytes from start to end."""
    found = records[bisect_left(records, (start,)) : bisect_left(records, (end,))]
    numbers = list(chain.from_iterable(found))
    if found and start:
        words = len(found[0])
        numbers[::words] = [number - start for number in numbers[::words]]
    return numbers
