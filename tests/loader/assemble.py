# SPDX-License-Identifier: Apache-2.0
"""Programs assembled by hand, and bundles made of them: the kernel side's tests need no compiler."""

from __future__ import annotations

import hashlib
import json
import struct
import sys
from pathlib import Path

from bpfline_loader import bundle

# linux/bpf.h: class, size and mode of an instruction; the helpers' numbers are enum bpf_func_id's.
LD_IMM64, STX_DW, MOV64_K, MOV64_X, ADD64_K, CALL, EXIT = 0x18, 0x7B, 0xB7, 0xBF, 0x07, 0x85, 0x95
LDX_DW = 0x79
TRACE_PRINTK = 6
R0, R1, R2, R10 = 0, 1, 2, 10


def insn(code: int, dst: int = 0, src: int = 0, off: int = 0, imm: int = 0) -> bytes:
    registers = src << 4 | dst if sys.byteorder == "little" else dst << 4 | src
    return struct.pack("=BBhi", code, registers, off, imm)


def load64(dst: int, value: bytes) -> bytes:
    """r<dst> = the eight bytes of value, so that a store puts them into memory in this order."""
    first, second = struct.unpack("=ii", value)
    low, high = (first, second) if sys.byteorder == "little" else (second, first)
    return insn(LD_IMM64, dst, imm=low) + insn(0, imm=high)


def finish() -> bytes:
    """return 0"""
    return insn(MOV64_K, R0, imm=0) + insn(EXIT)


def says(text: bytes) -> bytes:
    """A program that prints text with bpf_trace_printk, its format on the stack, and returns 0."""
    text += b"\0"
    words = [text[at : at + 8].ljust(8, b"\0") for at in range(0, len(text), 8)]
    start = -8 * len(words)
    code = b"".join(
        load64(R1, word) + insn(STX_DW, R10, R1, off=start + 8 * at) for at, word in enumerate(words)
    )
    code += insn(MOV64_X, R1, R10) + insn(ADD64_K, R1, imm=start)
    code += insn(MOV64_K, R2, imm=len(text)) + insn(CALL, imm=TRACE_PRINTK)
    return code + finish()


def reads_context(offset: int) -> bytes:
    """A program that reads eight bytes at offset of its context, and returns 0."""
    return insn(LDX_DW, R0, R1, off=offset) + finish()


def refused() -> bytes:
    """A program that returns without a value: the verifier says R0 !read_ok."""
    return insn(EXIT)


def make_bundle(
    folder: Path, insns: bytes, attach: str | None = "syscalls/sys_enter_execve", *, kind: str = "tracepoint"
) -> bundle.Bundle:
    """A bundle of one program, written to folder as the build side writes it, and read back."""
    (folder / "programs").mkdir(parents=True)
    (folder / "programs" / "main.insns").write_bytes(insns)
    program = {
        "name": "main",
        "section": ".text",
        "type": kind,
        "attach": attach,
        "insns": "programs/main.insns",
        "sha256": hashlib.sha256(insns).hexdigest(),
    }
    described = {
        "schema": bundle.SCHEMA,
        "object": folder.name,
        "source": None,
        "license": "GPL",
        "byteorder": sys.byteorder,
        "clang": None,
        "mcpu": None,
        "programs": [program],
    }
    (folder / bundle.DESCRIPTION).write_text(json.dumps(described))
    return bundle.read(folder)
