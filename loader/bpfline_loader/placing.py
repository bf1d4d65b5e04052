# SPDX-License-Identifier: Apache-2.0
"""Putting what only the running kernel knows into a copy of a program's instructions."""

from __future__ import annotations

import re
import struct
import sys
from collections.abc import Mapping

from .btf import Btf
from .bundle import INSN_SIZE, Fixup, Program
from .core_relo import place
from .errors import Problem
from .externs import Resolved

# What libbpf makes of the call of a weak kfunc that is missing (POISON_CALL_KFUNC_BASE in src/libbpf.c):
# a helper that no kernel has, which is refused only where it can be reached. It counts in the tag.
_MISSING_KFUNC = 2002000000
_CALL = 0x85  # BPF_JMP | BPF_CALL
_MISSING = re.compile(r"(?:invalid|unknown) func unknown#(2002\d{6})\b")


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


def explained(message: str, log: bytes, program: Program, names: Mapping[int, str], data: bytes) -> str:
    """The verifier's message, or in words which missing weak kfunc it is about, and where it is called.

    names: of the externs, by the index that Placer.kfunc() got. log: tells which call, where it shows
    instructions. data: the bundle's BTF.
    """
    found = _MISSING.match(message)
    name = names.get(int(found[1]) - _MISSING_KFUNC) if found else None
    if found is None or name is None:
        return message
    calls = [each.insn for each in program.fixups if each.kind == "kfunc" and each.target == name]
    reached = re.findall(rb"^(\d+): \(85\) call unknown#%b\b" % found[1].encode(), log, re.MULTILINE)
    where = ""
    if reached or len(calls) == 1:
        try:
            where = place(Btf.parse(data), program.line_info, int(reached[-1]) if reached else calls[0])
        except Problem:
            pass
    return f"this kernel has no kernel function {name}, which is weak and called without a test{where}"
