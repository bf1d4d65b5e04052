# SPDX-License-Identifier: Apache-2.0
"""Programs of every type that count their runs in a map: what is attached is seen without trace_pipe."""

from __future__ import annotations

import ctypes
import fcntl
import os
import pickle
import signal
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assemble import ADD64_K, CALL, EXIT, LD_IMM64, LDX_DW, MOV64_K, MOV64_X, R0, R1, R2, R10, insn
from bpfline_loader import bpf, tracefs
from bpfline_loader.attach import Attachment, attach
from bpfline_loader.bundle import Bundle, Fixup, Map, Program
from bpfline_loader.object import opened
from bpfline_loader.syscalls import syscall

COUNTS = "counts"
_SEQ_WRITE = 127  # enum bpf_func_id
_LOOKUP_ELEM = 1  # both in enum bpf_cmd and in enum bpf_func_id
_ST_W, _JEQ_K, _ATOMIC_DW, _PSEUDO_MAP_FD = 0x62, 0x15, 0xDB, 1
R3 = 3

_libc = ctypes.CDLL(None, use_errno=True)


def counts(returns: int = 0) -> bytes:
    """A program that adds one to the first value of the map at its instruction 2, and returns a number."""
    return (
        insn(_ST_W, R10, off=-4)
        + insn(MOV64_X, R2, R10)
        + insn(LD_IMM64, R1, _PSEUDO_MAP_FD)
        + insn(0)
        + insn(ADD64_K, R2, imm=-4)
        + insn(CALL, imm=_LOOKUP_ELEM)
        + insn(_JEQ_K, R0, off=2)
        + insn(MOV64_K, R1, imm=1)
        + insn(_ATOMIC_DW, R0, R1)
        + insn(MOV64_K, R0, imm=returns)
        + insn(EXIT)
    )


def bundle(
    kind: str,
    section: str,
    target: str | None = None,
    *,
    expected: str | None = None,
    attach_btf: str | None = None,
    returns: int = 0,
    pinning: bool = False,
    name: str = "counts",
) -> Bundle:
    """An object of one counting program, as the build side would describe it."""
    program = Program(
        "count",
        section,
        kind,
        target,
        counts(returns),
        expected_attach_type=expected,
        attach_btf=attach_btf,
        fixups=(Fixup(2, "map", COUNTS),),
    )
    counter = Map(COUNTS, "array", 4, 8, 1, pinning=pinning)
    return Bundle(name, None, "GPL", sys.byteorder, None, None, (program,), maps=(counter,))


def iterator(text: bytes) -> Bundle:
    """SEC("iter/task") that writes eight bytes for each task: bpf_seq_write(ctx->meta->seq, text, 8)."""
    low, high = int.from_bytes(text[:4], sys.byteorder), int.from_bytes(text[4:8], sys.byteorder)
    code = (
        insn(_ST_W, R10, off=-8, imm=low)
        + insn(_ST_W, R10, off=-4, imm=high)
        + insn(LDX_DW, R1, R1)
        + insn(LDX_DW, R1, R1)
        + insn(MOV64_X, R2, R10)
        + insn(ADD64_K, R2, imm=-8)
        + insn(MOV64_K, R3, imm=8)
        + insn(CALL, imm=_SEQ_WRITE)
        + insn(MOV64_K, R0)
        + insn(EXIT)
    )
    program = Program(
        "each",
        "iter/task",
        "tracing",
        "task",
        code,
        expected_attach_type="trace_iter",
        attach_btf="bpf_iter_task",
    )
    return Bundle("tasks", None, "GPL", sys.byteorder, None, None, (program,))


@dataclass(frozen=True)
class Counting:
    """A loaded counting program."""

    program: Program
    fd: int
    map_fd: int

    def attach(self) -> Attachment:
        with tracefs.found() as files:
            return attach(self.program, self.fd, files)

    @property
    def count(self) -> int:
        return value(self.map_fd)


@contextmanager
def loaded(what: Bundle) -> Iterator[Counting]:
    with opened(what) as in_kernel:
        (program,) = what.programs
        attempt = in_kernel.load(program)
        assert attempt.fd is not None, attempt.message
        try:
            yield Counting(program, attempt.fd, in_kernel.map_fds[COUNTS])
        finally:
            os.close(attempt.fd)


def value(map_fd: int) -> int:
    """The map's first value."""
    key, found = bytes(4), ctypes.create_string_buffer(8)
    attr = struct.pack("=IxxxxQQQ", map_fd, bpf.address(key), ctypes.addressof(found), 0)
    syscall("bpf", _LOOKUP_ELEM, ctypes.create_string_buffer(attr, len(attr)), len(attr))
    return int.from_bytes(found.raw, sys.byteorder)


def in_network_namespace() -> None:
    """Leave for a network namespace of our own, where lo is up: for a forked child."""
    syscall("unshare", 0x40000000)  # CLONE_NEWNET
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH14x", b"lo", 0x1 | 0x40)  # IFF_UP, IFF_RUNNING
        fcntl.ioctl(any_socket, 0x8914, request)  # SIOCSIFFLAGS


def send(packets: int) -> None:
    """Send so many packets through lo, which nobody answers."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as takes,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sends,
    ):
        takes.bind(("127.0.0.1", 0))
        for _ in range(packets):
            sends.sendto(b"x", takes.getsockname())


def descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


@contextmanager
def child(work: Callable[[], Any], prepare: Callable[[], None] = lambda: None) -> Iterator[tuple[int, Any]]:
    """A forked child that has done work and waits: its process id and what work returned. It is killed
    (SIGKILL) at the latest when the context ends."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reader)
            try:
                prepare()
                said = pickle.dumps((True, work()))
            except BaseException as error:
                said = pickle.dumps((False, repr(error)))
            with os.fdopen(writer, "wb") as pipe:
                pipe.write(said)
            while True:
                signal.pause()
        finally:
            os._exit(1)
    os.close(writer)
    try:
        with os.fdopen(reader, "rb") as pipe:
            good, value = pickle.loads(pipe.read())
        assert good, value
        yield pid, value
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def enter_network_of(pid: int) -> Callable[[], None]:
    """What makes a forked child enter the network namespace of a process, also when that has ended."""
    fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    def enter() -> None:
        if _libc.setns(fd, 0):
            raise OSError(ctypes.get_errno(), "setns")

    return enter
