# SPDX-License-Identifier: Apache-2.0
"""CO-RE relocations that the kernel could not make, in words.

The kernel relocates (core_relos in BPF_PROG_LOAD). What it finds nothing for it poisons: the instruction
becomes a call of a function that no kernel has, which the verifier refuses only where it can be reached.
"""

from __future__ import annotations

import re
import struct

from . import kernel_btf
from .btf import Btf, Kind
from .btf_spell import TYPE_RELOS
from .btf_types import essential_name
from .bundle import INSN_SIZE, Program
from .errors import Problem

POISON = b"unknown#195896080"  # 0xbad2310, bpf_core_poison_insn() in the kernel's tools/lib/bpf/relo_core.c

_LAST_LINES = 10  # as fixup_verifier_log() in libbpf
_POISONED = re.compile(rb"^(\d+): \(85\) call " + POISON + rb"\n(?:.*\n)?.*" + POISON, re.MULTILINE)
_ENUMVAL_RELOS = frozenset({10, 11})  # BPF_CORE_ENUMVAL_EXISTS, _VALUE


def poisoned(log: bytes) -> bool:
    """Whether the verifier refused a poisoned instruction, as its last words say."""
    return any(
        line.startswith(b"invalid func " + POISON) for line in log.rstrip(b"\n").split(b"\n")[-_LAST_LINES:]
    )


def explained(log: bytes, program: Program, data: bytes) -> str | None:
    """What the poisoned instruction asked for that this kernel has not, and where in the source.

    log: one that shows instructions (level 1 or 2). data: the bundle's BTF. None where the log does not
    say which instruction it was.
    """
    found = list(_POISONED.finditer(log))
    if not found:
        return None
    insn = int(found[-1][1])
    records = struct.iter_unpack("=IIII", program.core_relos)
    # Both halves of a BPF_LD_IMM64 are poisoned.
    record = next((each for each in records if each[0] // INSN_SIZE in (insn, insn - 1)), None)
    if record is None:
        return None
    _, type_id, access_str_off, kind = record
    try:
        btf = Btf.parse(data)
        missing = _missing(btf, type_id, btf.string(access_str_off), kind)
        where = place(btf, program.line_info, insn)
    except Problem:
        return None
    return f"{missing} (CO-RE relocation{where})"


def _missing(btf: Btf, type_id: int, access: str, kind: int) -> str:
    root = btf.resolve(type_id) if kind not in TYPE_RELOS else btf.type(type_id)
    asked = btf.access(type_id, access, kind)
    if kind in TYPE_RELOS:
        return f"this kernel has no {asked} of the kind that the program declares"
    name = essential_name(root.name)
    what = btf.describe(root.id).replace(root.name, name) if name else asked
    if kernel_btf.find(root.kind, name) is None:
        return f"this kernel has no {what}"
    if kind in _ENUMVAL_RELOS:
        return f"this kernel's {what} has no {asked.rpartition('::')[2]}"
    if root.kind in (Kind.STRUCT, Kind.UNION):
        return f"this kernel's {what} has no matching field {asked.partition('.')[2] or asked}"
    return f"this kernel has nothing that matches {asked}"


def place(btf: Btf, line_info: bytes, insn: int) -> str:
    """ ", at prog.c:12:7", from the last record at or before the instruction."""
    records = [each for each in struct.iter_unpack("=IIII", line_info) if each[0] <= insn]
    if not records:
        return ""
    _, file_name_off, _, line_col = records[-1]
    return f" at {btf.string(file_name_off)}:{line_col >> 10}:{line_col & 0x3FF}"
