# SPDX-License-Identifier: Apache-2.0
"""Linking: from the functions of an object to the instructions of one program, the entry first.

A bpf-to-bpf call is relative, so a callee can stand anywhere after its caller as long as the
distance in the call is made right; each program gets its own copy of what it calls. The callees
follow in libbpf's order (bpf_object__reloc_code): depth-first, each appended when its first call or
its first use as a callback is met.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bpfline_loader.bundle import INSN_SIZE, Fixup

from .elf import Symbol
from .errors import AuditError
from .relocate import Function, Functions, Key, Use


@dataclass(frozen=True)
class Linked:
    """A program as bundle.Program has it. functions: the entry and what it reaches, each with the
    place of its copy in insns, in bytes."""

    insns: bytes
    fixups: tuple[Fixup, ...]
    func_info: bytes
    line_info: bytes
    core_relos: bytes
    functions: tuple[tuple[int, Function], ...]


def link(functions: Functions, entry: Symbol, also: Iterable[Symbol] = ()) -> Linked:
    """The program that starts at entry. also: functions that it needs though no instruction says so."""
    placed = _placed(functions, [key_of(symbol) for symbol in (entry, *also)])
    copies = tuple((at, functions[key]) for key, at in placed.items())
    order = functions.order
    return Linked(
        _code(copies, placed, order),
        tuple(
            Fixup(fixup.insn + at // INSN_SIZE, fixup.kind, fixup.target)
            for at, function in copies
            for fixup in function.fixups
        ),
        _info("function", [(at, function, function.func_info) for at, function in copies], 2, functions),
        _info("line", [(at, function, function.line_info) for at, function in copies], 4, functions),
        # Only these go on counting bytes (check_core_relo, kernel/bpf/verifier.c).
        b"".join(_moved(function.core_relos, 4, at, 1, order) for at, function in copies),
        copies,
    )


def key_of(function: Symbol) -> Key:
    assert function.section is not None
    return function.section, function.value


def _placed(functions: Functions, roots: Sequence[Key]) -> dict[Key, int]:
    """Where each function that is reached stands, in bytes, in the order of the places."""
    placed: dict[Key, int] = {}
    size = 0
    for root in roots:
        pending = [iter([Use(0, root)])]
        while pending:
            use = next(pending[-1], None)
            if use is None:
                pending.pop()
            elif use.callee not in placed:
                function = functions[use.callee]
                placed[use.callee] = size
                size += len(function.code)
                pending.append(iter(function.uses))
    return placed


def _code(copies: Sequence[tuple[int, Function]], placed: dict[Key, int], order: str) -> bytes:
    code = bytearray().join(function.code for _, function in copies)
    for at, function in copies:
        for use in function.uses:
            here = at + use.insn * INSN_SIZE
            distance = (placed[use.callee] - here) // INSN_SIZE - 1
            struct.pack_into(order + "i", code, here + 4, distance)
    return bytes(code)


def _info(
    name: str, copies: Sequence[tuple[int, Function, Sequence[int]]], words: int, functions: Functions
) -> bytes:
    """func_info or line_info. As for libbpf (reloc_prog_func_and_line_info), an entry that has none
    goes without for all; a callee that has none is then an error."""
    if not copies[0][2]:
        return b""
    for _, function, numbers in copies:
        if not numbers:
            raise AuditError(
                f"{function.symbol.name}() has no {name} information, but what calls it has",
                where=functions.where(function.section, function.symbol.value),
                help="compile the whole object with -g",
            )
    return b"".join(_moved(numbers, words, at, INSN_SIZE, functions.order) for at, _, numbers in copies)


def _moved(numbers: Sequence[int], words: int, at: int, unit: int, order: str) -> bytes:
    """Records of so many words; the first counts bytes from the function's start, and comes to count
    units from that of the program, in which the function stands at byte at."""
    moved = list(numbers)
    moved[::words] = [(number + at) // unit for number in moved[::words]]
    return struct.pack(f"{order}{len(moved)}I", *moved)
