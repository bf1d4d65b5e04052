# SPDX-License-Identifier: Apache-2.0
"""bpf(2): BTF objects, the caller's and the kernel's own. Every fd is close-on-exec."""

from __future__ import annotations

import ctypes
import errno
import mmap
from dataclasses import dataclass

from .bpf import Answer, address, get_info
from .syscalls import syscall

# enum bpf_cmd, linux/bpf.h
BTF_LOAD = 18
BTF_GET_FD_BY_ID = 19
BTF_GET_NEXT_ID = 23

_NAME_SIZE = 64  # MODULE_NAME_LEN of the kernel


class _BtfLoad(ctypes.Structure):
    """union bpf_attr as BPF_BTF_LOAD reads it, up to btf_log_true_size (Linux 6.4)."""

    _fields_ = (
        ("btf", ctypes.c_uint64),
        ("btf_log_buf", ctypes.c_uint64),
        ("btf_size", ctypes.c_uint32),
        ("btf_log_size", ctypes.c_uint32),
        ("btf_log_level", ctypes.c_uint32),
        ("btf_log_true_size", ctypes.c_uint32),
    )


class _ById(ctypes.Structure):
    """union bpf_attr as BPF_*_GET_NEXT_ID and BPF_*_GET_FD_BY_ID read it."""

    _fields_ = (("id", ctypes.c_uint32), ("next_id", ctypes.c_uint32), ("open_flags", ctypes.c_uint32))


class _BtfInfo(ctypes.Structure):
    """struct bpf_btf_info; name and what follows since Linux 5.11."""

    _fields_ = (
        ("btf", ctypes.c_uint64),
        ("btf_size", ctypes.c_uint32),
        ("id", ctypes.c_uint32),
        ("name", ctypes.c_uint64),
        ("name_len", ctypes.c_uint32),
        ("kernel_btf", ctypes.c_uint32),
    )


@dataclass(frozen=True)
class BtfInfo:
    """A BTF object. kernel: it is vmlinux's or a module's, of that name. size: bytes of its data."""

    id: int
    name: str
    kernel: bool
    size: int


def btf_load(data: bytes, *, log_level: int = 0, log: mmap.mmap | None = None) -> Answer:
    """Load BTF; a refusal is an Answer. log: where the kernel says why, at log_level 1."""
    attr = _BtfLoad(btf=address(data), btf_size=len(data))
    if log is not None:
        attr.btf_log_level = log_level
        attr.btf_log_size = len(log)
        attr.btf_log_buf = ctypes.addressof(ctypes.c_char.from_buffer(log))
    try:
        fd = syscall("bpf", BTF_LOAD, ctypes.byref(attr), ctypes.sizeof(attr))
    except OSError as error:
        return Answer(None, error.errno or 0, attr.btf_log_true_size)
    return Answer(fd, 0, attr.btf_log_true_size)


def btf_next_id(after: int) -> int | None:
    """The lowest id of a BTF object above after, None behind the last; OSError without CAP_SYS_ADMIN."""
    attr = _ById(id=after)
    try:
        syscall("bpf", BTF_GET_NEXT_ID, ctypes.byref(attr), ctypes.sizeof(attr))
    except FileNotFoundError:
        return None
    return int(attr.next_id)


def btf_fd(btf_id: int) -> int:
    """A new fd of the BTF object; FileNotFoundError where it is gone."""
    attr = _ById(id=btf_id)
    return syscall("bpf", BTF_GET_FD_BY_ID, ctypes.byref(attr), ctypes.sizeof(attr))


def btf_info(fd: int) -> BtfInfo:
    """What the kernel says of the BTF object behind fd; OSError where it is none."""
    name = ctypes.create_string_buffer(_NAME_SIZE)
    info = _BtfInfo(name=ctypes.addressof(name), name_len=len(name))
    try:
        get_info(fd, info)
    except OSError as error:
        if error.errno != errno.E2BIG:
            raise
        info = _BtfInfo()  # before 5.11 BTF has no name (53297220905c), and none is a kernel's
        get_info(fd, info)
    return BtfInfo(int(info.id), name.value.decode(errors="replace"), bool(info.kernel_btf), info.btf_size)


def btf_data(fd: int) -> bytes:
    """The BTF behind fd, as it was loaded; OSError where it is none."""
    data = ctypes.create_string_buffer(btf_info(fd).size)
    info = _BtfInfo(btf=ctypes.addressof(data), btf_size=len(data))
    get_info(fd, info)
    return data.raw
