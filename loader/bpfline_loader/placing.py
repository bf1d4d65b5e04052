# SPDX-License-Identifier: Apache-2.0
"""Putting what only the running kernel knows into a copy of a program's instructions."""

from __future__ import annotations

import struct
import sys

from .bundle import INSN_SIZE, Fixup
from .externs import Resolved

# What libbpf makes of the call of a weak kfunc that is missing (POISON_CALL_KFUNC_BASE in src/libbpf.c):
# a helper that no kernel has, which is refused only where it can be reached. It counts in the tag.
_MISSING_KFUNC = 2002000000
_CALL = 0x85  # BPF_JMP | BPF_CALL


class Placer:
    """insns: the instructions, changed in place."""

    def __init__(self, insns: bytes):
        self.insns = bytearray(insns)

    def map_fd(self, fixup: Fixup, fd: int) -> None:
        self._imm(fixup.insn, fd)

    def kfunc(self, fixup: Fixup, found: Resolved, module: int, index: int) -> None:
        """module: where fd_array has its BTF, 0 for vmlinux. index: of the extern, for a missing one."""
        if found.found:
            self._imm(fixup.insn, found.type_id)
            struct.pack_into("=h", self.insns, fixup.insn * INSN_SIZE + 2, module)
        else:
            struct.pack_into("=BBhI", self.insns, fixup.insn * INSN_SIZE, _CALL, 0, 0, _MISSING_KFUNC + index)

    def ksym(self, fixup: Fixup, found: Resolved, module_fd: int) -> None:
        """module_fd: of its BTF, 0 for vmlinux. A missing one is the number 0."""
        self._imm(fixup.insn, found.type_id)
        self._imm(fixup.insn + 1, module_fd)
        if not found.found:
            registers = self.insns[fixup.insn * INSN_SIZE + 1]
            registers &= 0x0F if sys.byteorder == "little" else 0xF0  # src_reg: no BPF_PSEUDO_BTF_ID
            self.insns[fixup.insn * INSN_SIZE + 1] = registers

    def address(self, fixup: Fixup, found: Resolved) -> None:
        self._imm(fixup.insn, found.address & 0xFFFFFFFF)
        self._imm(fixup.insn + 1, found.address >> 32)

    def _imm(self, insn: int, value: int) -> None:
        struct.pack_into("=I", self.insns, insn * INSN_SIZE + 4, value)
