# SPDX-License-Identifier: Apache-2.0
"""bpf(2): loading a program and asking what became of it.

Structures stand in the host's byte order, as the kernel reads them. Every fd that bpf(2) returns is
close-on-exec already (bpf_prog_new_fd, kernel/bpf/syscall.c).
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from .enums import ATTACH_TYPES as ATTACH_TYPES
from .enums import PROG_TYPES as PROG_TYPES
from .syscalls import syscall

# enum bpf_cmd, linux/bpf.h
PROG_LOAD = 5
OBJ_GET = 7
PROG_GET_FD_BY_ID = 13
OBJ_GET_INFO_BY_FD = 15
PROG_BIND_MAP = 35

# sizeof() of struct bpf_func_info, bpf_line_info, bpf_core_relo
FUNC_INFO_SIZE = 8
LINE_INFO_SIZE = 16
CORE_RELO_SIZE = 16

_NAME_LEN = 16  # BPF_OBJ_NAME_LEN, with its NUL
_ATTEMPTS = 5  # as libbpf (PROG_LOAD_ATTEMPTS, src/bpf.c): EAGAIN means that a signal was pending


class _ProgLoad(ctypes.Structure):
    """union bpf_attr as BPF_PROG_LOAD reads it, up to log_true_size (Linux 6.4).

    An older kernel takes the longer attribute as long as what it does not know is zero
    (bpf_check_uarg_tail_zero), and leaves log_true_size as it is.
    """

    _fields_ = (
        ("prog_type", ctypes.c_uint32),
        ("insn_cnt", ctypes.c_uint32),
        ("insns", ctypes.c_uint64),
        ("license", ctypes.c_uint64),
        ("log_level", ctypes.c_uint32),
        ("log_size", ctypes.c_uint32),
        ("log_buf", ctypes.c_uint64),
        ("kern_version", ctypes.c_uint32),
        ("prog_flags", ctypes.c_uint32),
        ("prog_name", ctypes.c_char * _NAME_LEN),
        ("prog_ifindex", ctypes.c_uint32),
        ("expected_attach_type", ctypes.c_uint32),
        ("prog_btf_fd", ctypes.c_uint32),
        ("func_info_rec_size", ctypes.c_uint32),
        ("func_info", ctypes.c_uint64),
        ("func_info_cnt", ctypes.c_uint32),
        ("line_info_rec_size", ctypes.c_uint32),
        ("line_info", ctypes.c_uint64),
        ("line_info_cnt", ctypes.c_uint32),
        ("attach_btf_id", ctypes.c_uint32),
        ("attach_fd", ctypes.c_uint32),  # a union of attach_prog_fd and attach_btf_obj_fd
        ("core_relo_cnt", ctypes.c_uint32),
        ("fd_array", ctypes.c_uint64),
        ("core_relos", ctypes.c_uint64),
        ("core_relo_rec_size", ctypes.c_uint32),
        ("log_true_size", ctypes.c_uint32),
    )


class _InfoByFd(ctypes.Structure):
    """union bpf_attr as BPF_OBJ_GET_INFO_BY_FD reads it."""

    _fields_ = (("bpf_fd", ctypes.c_uint32), ("info_len", ctypes.c_uint32), ("info", ctypes.c_uint64))


class _ById(ctypes.Structure):
    """union bpf_attr as BPF_PROG_GET_FD_BY_ID reads it."""

    _fields_ = (("prog_id", ctypes.c_uint32), ("next_id", ctypes.c_uint32), ("open_flags", ctypes.c_uint32))


class _ObjGet(ctypes.Structure):
    """union bpf_attr as BPF_OBJ_GET reads it."""

    _fields_ = (("pathname", ctypes.c_uint64), ("bpf_fd", ctypes.c_uint32), ("file_flags", ctypes.c_uint32))


class _BindMap(ctypes.Structure):
    """union bpf_attr as BPF_PROG_BIND_MAP reads it."""

    _fields_ = (("prog_fd", ctypes.c_uint32), ("map_fd", ctypes.c_uint32), ("flags", ctypes.c_uint32))


class _ProgInfo(ctypes.Structure):
    """The head of struct bpf_prog_info; the kernel fills as much as is asked for."""

    _fields_ = (
        ("type", ctypes.c_uint32),
        ("id", ctypes.c_uint32),
        ("tag", ctypes.c_ubyte * 8),
        ("jited_prog_len", ctypes.c_uint32),
        ("xlated_prog_len", ctypes.c_uint32),
        ("jited_prog_insns", ctypes.c_uint64),
        ("xlated_prog_insns", ctypes.c_uint64),
        ("load_time", ctypes.c_uint64),
        ("created_by_uid", ctypes.c_uint32),
        ("nr_map_ids", ctypes.c_uint32),
        ("map_ids", ctypes.c_uint64),
        ("name", ctypes.c_char * _NAME_LEN),
        ("ifindex", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),  # gpl_compatible and padding
        ("netns_dev", ctypes.c_uint64),
        ("netns_ino", ctypes.c_uint64),
        ("nr_jited_ksyms", ctypes.c_uint32),
        ("nr_jited_func_lens", ctypes.c_uint32),
        ("jited_ksyms", ctypes.c_uint64),
        ("jited_func_lens", ctypes.c_uint64),
        ("btf_id", ctypes.c_uint32),
    )


@dataclass(frozen=True)
class Details:
    """What BPF_PROG_LOAD takes besides type, instructions and license, by the names of union bpf_attr.

    func_info, line_info, core_relos: their records, of 8, 16 and 16 bytes, for the BTF behind
    prog_btf_fd; core_relo_rec_size is set with them. attach_fd: attach_prog_fd or attach_btf_obj_fd.
    fd_array: fds of modules' BTF.
    """

    prog_flags: int = 0
    expected_attach_type: int = 0
    prog_btf_fd: int = 0
    func_info: bytes = b""
    line_info: bytes = b""
    core_relos: bytes = b""
    core_relo_rec_size: int = 0
    attach_btf_id: int = 0
    attach_fd: int = 0
    fd_array: Sequence[int] = ()
    kern_version: int = 0


@dataclass(frozen=True)
class Answer:
    """What BPF_PROG_LOAD answered.

    fd: the program, which the caller closes, or None. errno: 0 with an fd. log_true_size: bytes that
    the whole log takes with its final NUL; 0 where the kernel does not say (before 6.4).
    """

    fd: int | None
    errno: int
    log_true_size: int


@dataclass(frozen=True)
class ProgInfo:
    """A loaded program: tag as 16 hex digits; jited_bytes is 0 where the interpreter runs it; btf_id is
    the id of its BTF, 0 without."""

    id: int
    type: int
    name: str
    tag: str
    xlated_bytes: int
    jited_bytes: int
    btf_id: int = 0


_NO_DETAILS = Details()


def address(data: bytes) -> int:
    """Where the contents of data stand in memory, 0 for b""; the caller keeps data alive."""
    return ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0 if data else 0


def object_name(name: str) -> str:
    """name as the kernel takes one (bpf_obj_name_cpy): [A-Za-z0-9_.], 15 characters at most."""
    return re.sub(r"[^A-Za-z0-9_.]", "_", name)[: _NAME_LEN - 1]


def prog_load(
    prog_type: int,
    insns: bytes,
    license: str,  # noqa: A002 - the field's name
    *,
    name: str = "",
    details: Details = _NO_DETAILS,
    log_level: int = 0,
    log: mmap.mmap | None = None,
) -> Answer:
    """Ask the kernel to load insns. A refusal is an Answer; nothing is raised.

    name: as object_name() gives it. log: where the verifier writes, at log_level; None for no log.
    """
    terms = license.encode("utf-8", "surrogateescape") + b"\0"
    attr = _ProgLoad(
        prog_type=prog_type,
        insn_cnt=len(insns) // 8,
        insns=address(insns),
        license=address(terms),
        kern_version=details.kern_version,
        prog_flags=details.prog_flags,
        prog_name=name.encode(),
        expected_attach_type=details.expected_attach_type,
        prog_btf_fd=details.prog_btf_fd,
        attach_btf_id=details.attach_btf_id,
        attach_fd=details.attach_fd,
        core_relo_rec_size=details.core_relo_rec_size,
    )
    if details.func_info:
        attr.func_info = address(details.func_info)
        attr.func_info_rec_size = FUNC_INFO_SIZE
        attr.func_info_cnt = len(details.func_info) // FUNC_INFO_SIZE
    if details.line_info:
        attr.line_info = address(details.line_info)
        attr.line_info_rec_size = LINE_INFO_SIZE
        attr.line_info_cnt = len(details.line_info) // LINE_INFO_SIZE
    if details.core_relos:
        attr.core_relos = address(details.core_relos)
        attr.core_relo_rec_size = CORE_RELO_SIZE
        attr.core_relo_cnt = len(details.core_relos) // CORE_RELO_SIZE
    fds = (ctypes.c_int * len(details.fd_array))(*details.fd_array)
    if details.fd_array:
        attr.fd_array = ctypes.addressof(fds)
    if log is not None:
        attr.log_level = log_level
        attr.log_size = len(log)
        attr.log_buf = ctypes.addressof(ctypes.c_char.from_buffer(log))
    failed = 0
    for _ in range(_ATTEMPTS):
        attr.log_true_size = 0
        try:
            fd = syscall("bpf", PROG_LOAD, ctypes.byref(attr), ctypes.sizeof(attr))
        except OSError as error:
            failed = error.errno or 0
            if failed != errno.EAGAIN:
                break
        else:
            return Answer(fd, 0, attr.log_true_size)
    return Answer(None, failed, attr.log_true_size)


def get_info(fd: int, info: ctypes.Structure) -> None:
    """Have the kernel fill info with what it keeps of the object behind fd; OSError."""
    attr = _InfoByFd(bpf_fd=fd, info_len=ctypes.sizeof(info), info=ctypes.addressof(info))
    syscall("bpf", OBJ_GET_INFO_BY_FD, ctypes.byref(attr), ctypes.sizeof(attr))


def prog_info(fd: int) -> ProgInfo:
    """What the kernel keeps of the program behind fd; OSError where fd is none."""
    info = _ProgInfo()
    get_info(fd, info)
    return ProgInfo(
        id=info.id,
        type=info.type,
        name=info.name.decode("ascii", "replace"),
        tag=bytes(info.tag).hex(),
        xlated_bytes=info.xlated_prog_len,
        jited_bytes=info.jited_prog_len,
        btf_id=info.btf_id,
    )


def prog_bind_map(program: int, map_fd: int) -> None:
    """Keep a map for as long as the program, and show it with it (Linux 5.10); OSError."""
    attr = _BindMap(prog_fd=program, map_fd=map_fd)
    syscall("bpf", PROG_BIND_MAP, ctypes.byref(attr), ctypes.sizeof(attr))


def prog_fd(prog_id: int) -> int:
    """A new fd of the program of that id; OSError where there is none."""
    attr = _ById(prog_id=prog_id)
    return syscall("bpf", PROG_GET_FD_BY_ID, ctypes.byref(attr), ctypes.sizeof(attr))


def obj_get(path: str) -> int:
    """A new fd of the map, program or link that is pinned there; OSError where nothing is."""
    name = os.fsencode(path) + b"\0"
    attr = _ObjGet(pathname=address(name))
    return syscall("bpf", OBJ_GET, ctypes.byref(attr), ctypes.sizeof(attr))
