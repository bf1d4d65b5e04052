# SPDX-License-Identifier: Apache-2.0
"""bpf(2): loading a program and asking what became of it.

Structures stand in the host's byte order, as the kernel reads them. Every fd that bpf(2) returns is
close-on-exec already (bpf_prog_new_fd, kernel/bpf/syscall.c).
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import re
from dataclasses import dataclass

from .syscalls import syscall

# enum bpf_cmd, linux/bpf.h
PROG_LOAD = 5
OBJ_GET_INFO_BY_FD = 15

# enum bpf_prog_type, linux/bpf.h, in its order
PROG_TYPES = {
    name: number
    for number, name in enumerate(
        (
            "unspec", "socket_filter", "kprobe", "sched_cls", "sched_act", "tracepoint", "xdp", "perf_event",
            "cgroup_skb", "cgroup_sock", "lwt_in", "lwt_out", "lwt_xmit", "sock_ops", "sk_skb",
            "cgroup_device", "sk_msg", "raw_tracepoint", "cgroup_sock_addr", "lwt_seg6local", "lirc_mode2",
            "sk_reuseport", "flow_dissector", "cgroup_sysctl", "raw_tracepoint_writable", "cgroup_sockopt",
            "tracing", "struct_ops", "ext", "lsm", "sk_lookup", "syscall", "netfilter",
        )
    )
}  # fmt: skip

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
        ("attach_prog_fd", ctypes.c_uint32),
        ("core_relo_cnt", ctypes.c_uint32),
        ("fd_array", ctypes.c_uint64),
        ("core_relos", ctypes.c_uint64),
        ("core_relo_rec_size", ctypes.c_uint32),
        ("log_true_size", ctypes.c_uint32),
    )


class _InfoByFd(ctypes.Structure):
    """union bpf_attr as BPF_OBJ_GET_INFO_BY_FD reads it."""

    _fields_ = (("bpf_fd", ctypes.c_uint32), ("info_len", ctypes.c_uint32), ("info", ctypes.c_uint64))


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
    )


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
    """A loaded program: tag as 16 hex digits; jited_bytes is 0 where the interpreter runs it."""

    id: int
    type: int
    name: str
    tag: str
    xlated_bytes: int
    jited_bytes: int


def object_name(name: str) -> str:
    """name as the kernel takes one (bpf_obj_name_cpy): [A-Za-z0-9_.], 15 characters at most."""
    return re.sub(r"[^A-Za-z0-9_.]", "_", name)[: _NAME_LEN - 1]


def prog_load(
    prog_type: int,
    insns: bytes,
    license: str,  # noqa: A002 - the field's name
    *,
    name: str = "",
    log_level: int = 0,
    log: mmap.mmap | None = None,
) -> Answer:
    """Ask the kernel to load insns. A refusal is an Answer; nothing is raised.

    name: as object_name() gives it. log: where the verifier writes, at log_level; None for no log.
    """
    code = ctypes.c_char_p(insns)
    terms = ctypes.c_char_p(license.encode("utf-8", "surrogateescape"))
    attr = _ProgLoad(
        prog_type=prog_type,
        insn_cnt=len(insns) // 8,
        insns=ctypes.cast(code, ctypes.c_void_p).value,
        license=ctypes.cast(terms, ctypes.c_void_p).value,
        prog_name=name.encode(),
    )
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


def prog_info(fd: int) -> ProgInfo:
    """What the kernel keeps of the program behind fd; OSError where fd is none."""
    info = _ProgInfo()
    attr = _InfoByFd(bpf_fd=fd, info_len=ctypes.sizeof(info), info=ctypes.addressof(info))
    syscall("bpf", OBJ_GET_INFO_BY_FD, ctypes.byref(attr), ctypes.sizeof(attr))
    return ProgInfo(
        id=info.id,
        type=info.type,
        name=info.name.decode("ascii", "replace"),
        tag=bytes(info.tag).hex(),
        xlated_bytes=info.xlated_prog_len,
        jited_bytes=info.jited_prog_len,
    )
