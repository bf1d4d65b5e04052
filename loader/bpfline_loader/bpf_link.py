# SPDX-License-Identifier: Apache-2.0
"""bpf(2): links, and the older ways to bind a program to what it watches. Every fd is close-on-exec; what
the kernel refuses is an OSError."""

from __future__ import annotations

import ctypes
import os

from .bpf import address
from .syscalls import syscall

# enum bpf_cmd, linux/bpf.h
PROG_ATTACH = 8
PROG_DETACH = 9
RAW_TRACEPOINT_OPEN = 17
LINK_CREATE = 28
ITER_CREATE = 33

BPF_F_ALLOW_MULTI = 1 << 1


class _LinkCreate(ctypes.Structure):
    """union bpf_attr as BPF_LINK_CREATE reads it, as far as every family has it."""

    _fields_ = (
        ("prog_fd", ctypes.c_uint32),
        ("target_fd", ctypes.c_uint32),  # a union of target_fd and target_ifindex
        ("attach_type", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
    )


class _RawTracepointOpen(ctypes.Structure):
    _fields_ = (("name", ctypes.c_uint64), ("prog_fd", ctypes.c_uint32), ("padding", ctypes.c_uint32))


class _IterCreate(ctypes.Structure):
    _fields_ = (("link_fd", ctypes.c_uint32), ("flags", ctypes.c_uint32))


class _ProgAttach(ctypes.Structure):
    """union bpf_attr as BPF_PROG_ATTACH and BPF_PROG_DETACH read it."""

    _fields_ = (
        ("target_fd", ctypes.c_uint32),
        ("attach_bpf_fd", ctypes.c_uint32),
        ("attach_type", ctypes.c_uint32),
        ("attach_flags", ctypes.c_uint32),
    )


def link_create(program: int, target: int, attach_type: int, flags: int = 0) -> int:
    """The fd of a link, which detaches the program when its last fd is closed (Linux 5.7).

    target: the fd, or for devices the interface index, that attach_type (enum bpf_attach_type) goes with.
    """
    attr = _LinkCreate(prog_fd=program, target_fd=target, attach_type=attach_type, flags=flags)
    return syscall("bpf", LINK_CREATE, ctypes.byref(attr), ctypes.sizeof(attr))


def raw_tracepoint_open(program: int, name: str | None) -> int:
    """The same for a raw tracepoint (Linux 4.17). name: None where the program was loaded for one already
    (attach_btf_id)."""
    words = os.fsencode(name) + b"\0" if name is not None else b""
    attr = _RawTracepointOpen(name=address(words), prog_fd=program)
    return syscall("bpf", RAW_TRACEPOINT_OPEN, ctypes.byref(attr), ctypes.sizeof(attr))


def iter_create(link: int) -> int:
    """A file that is read once, and is what the iterator of that link writes (Linux 5.8)."""
    attr = _IterCreate(link_fd=link)
    return syscall("bpf", ITER_CREATE, ctypes.byref(attr), ctypes.sizeof(attr))


def prog_attach(program: int, target: int, attach_type: int, flags: int = 0) -> None:
    """Attach without a link: it stays until prog_detach(), or as long as the target."""
    attr = _ProgAttach(target_fd=target, attach_bpf_fd=program, attach_type=attach_type, attach_flags=flags)
    syscall("bpf", PROG_ATTACH, ctypes.byref(attr), ctypes.sizeof(attr))


def prog_detach(program: int, target: int, attach_type: int) -> None:
    """Undo prog_attach() of this very program; ENOENT where it is not attached there."""
    attr = _ProgAttach(target_fd=target, attach_bpf_fd=program, attach_type=attach_type)
    syscall("bpf", PROG_DETACH, ctypes.byref(attr), ctypes.sizeof(attr))
