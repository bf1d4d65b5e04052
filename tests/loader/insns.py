# SPDX-License-Identifier: Apache-2.0
"""What the tests of loading share: programs of a given cost, and the kernel seen from outside."""

from __future__ import annotations

import ctypes
import os
import pickle
import sys
from collections.abc import Callable
from typing import Any

from assemble import CALL, EXIT, MOV64_K, R0, R1, R2, insn
from bpfline_loader import bpf
from bpfline_loader.bundle import Program
from bpfline_loader.syscalls import syscall

TRACE_PRINTK = 6  # enum bpf_func_id
NOBODY = 65534


def accepted(processed: int) -> bytes:
    """A program that the verifier accepts after this many instructions."""
    return insn(MOV64_K, R0) * (processed - 1) + insn(EXIT)


def refused(processed: int) -> bytes:
    """A program that the verifier refuses at its last instruction: R0 !read_ok."""
    return insn(MOV64_K, R1) * (processed - 1) + insn(EXIT)


def prints() -> bytes:
    """A program that calls bpf_trace_printk, which is for GPL programs."""
    text = insn(0x62, 10, off=-4) + insn(0xBF, R1, 10) + insn(0x07, R1, imm=-4)  # *(u32 *)(r10 - 4) = 0
    return text + insn(MOV64_K, R2, imm=4) + insn(CALL, imm=TRACE_PRINTK) + accepted(2)


def program(insns: bytes, name: str = "main", *, kind: str = "tracepoint", section: str = ".text") -> Program:
    return Program(name, section, kind, None, insns)


def loaded(name: str) -> list[int]:
    """The ids of the programs of this name in the kernel, asked without the loader's own structures."""
    ids, at = [], ctypes.create_string_buffer(16)
    while True:
        try:
            syscall("bpf", 11, at, len(at))  # BPF_PROG_GET_NEXT_ID: start_id, next_id
        except FileNotFoundError:
            return ids
        found = at.raw[4:8]
        at.raw = found + bytes(12)
        try:
            fd = syscall("bpf", 13, at, len(at))  # BPF_PROG_GET_FD_BY_ID
        except FileNotFoundError:
            continue  # somebody else's, gone meanwhile
        try:
            if bpf.prog_info(fd).name == name:
                ids.append(int.from_bytes(found, sys.byteorder))
        finally:
            os.close(fd)
        at.raw = found + bytes(12)


def in_child(work: Callable[[], Any], *, prepare: Callable[[], None] = lambda: None) -> Any:
    """What work returns in a forked child, after prepare; an exception there is raised here."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            try:
                prepare()
                result = (True, work())
            except Exception as error:
                result = (False, repr(error))
            with os.fdopen(writer, "wb") as pipe:
                pickle.dump(result, pipe)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    good, value = pickle.loads(answer)
    assert good, value
    return value


def become_nobody() -> None:
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
