# SPDX-License-Identifier: Apache-2.0
"""What the running kernel can do, found by trying, each thing once in a process."""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
import platform
import re
import struct
from pathlib import Path

from . import bpf, perf, privileges
from .bpf_btf import btf_load
from .bpf_map import MapAttr, map_create
from .btf_sanitize import FEATURES, probe
from .map_types import MAP_TYPES
from .syscalls import syscall

_EXIT = struct.pack("=BBhi", 0x95, 0, 0, 0)
_MOV_R0_0 = struct.pack("=BBhi", 0xB7, 0, 0, 0)
_GET_ATTACH_COOKIE = 174  # enum bpf_func_id, linux/bpf.h

_KPROBE_PMU = Path("/sys/bus/event_source/devices/kprobe/type")
# The prefixes of libbpf's arch_specific_syscall_pfx(), for the machines of syscalls.NUMBERS
_SYSCALL_PREFIXES = {"x86_64": "x64", "aarch64": "arm64", "s390x": "s390x", "riscv64": "riscv"}

_BPF_F_NO_PREALLOC = 1
_BPF_F_MMAPABLE = 1 << 10
_PAGE = mmap.PAGESIZE
# The smallest map of each type whose sizes are not (4, 4, 1): key_size, value_size, max_entries, map_flags.
# libbpf_probe_bpf_map_type() tries the same.
_SMALLEST = {
    "stack_trace": (4, 8, 1, 0),
    "lpm_trie": (8, 8, 1, _BPF_F_NO_PREALLOC),
    "rhash": (4, 4, 1, _BPF_F_NO_PREALLOC),
    "cgroup_storage": (16, 8, 0, 0),
    "percpu_cgroup_storage": (16, 8, 0, 0),
    "queue": (0, 4, 1, 0),
    "stack": (0, 4, 1, 0),
    "bloom_filter": (0, 4, 1, 0),
    "ringbuf": (0, 0, _PAGE, 0),
    "user_ringbuf": (0, 0, _PAGE, 0),
    "arena": (0, 0, 1, _BPF_F_MMAPABLE),
    "insn_array": (4, 16, 1, 0),
}
# They want BTF, or another map: what EINVAL says of them cannot be told by so small an attempt.
_NOT_TRIED = frozenset(
    (
        "sk_storage",
        "inode_storage",
        "task_storage",
        "cgrp_storage",
        "struct_ops",
        "array_of_maps",
        "hash_of_maps",
    )
)


@functools.lru_cache(maxsize=1)
def bpf_cookie() -> bool:
    """bpf_get_attach_cookie() (Linux 5.15)."""
    call = struct.pack("=BBhi", 0x85, 0, 0, _GET_ATTACH_COOKIE)
    return _loads(bpf.PROG_TYPES["tracepoint"], call + _EXIT)


@functools.lru_cache(maxsize=1)
def core_relos() -> bool:
    """BPF_PROG_LOAD relocates (Linux 5.17, fbd94c7afcf9)."""
    # A kernel that does not know core_relo_rec_size refuses it (bpf_check_uarg_tail_zero).
    return _loads(
        bpf.PROG_TYPES["socket_filter"], _MOV_R0_0 + _EXIT, bpf.Details(core_relo_rec_size=bpf.CORE_RELO_SIZE)
    )


@functools.lru_cache(maxsize=1)
def unsupported_btf() -> frozenset[str]:
    """Those of btf_sanitize.FEATURES that this kernel does not have."""
    return frozenset(feature for feature in FEATURES if not _closed(_btf_fd(probe(feature))))


@functools.cache
def lacks_map_type(name: str) -> bool:
    """Whether not even the smallest map of this type can be made; False where that is not to be tried."""
    if name in _NOT_TRIED:
        return False
    key_size, value_size, max_entries, flags = _SMALLEST.get(name, (4, 4, 1, 0))
    with privileges.raised():
        try:
            return not _closed(map_create(MapAttr(MAP_TYPES[name], key_size, value_size, max_entries, flags)))
        except OSError:
            return True


@functools.lru_cache(maxsize=1)
def syscall_wrapper() -> bool:
    """The kernel's system calls are functions like __x64_sys_bpf (Linux 4.17), and a kprobe finds them."""
    prefix = _SYSCALL_PREFIXES.get(platform.machine())
    try:
        kind = int(_KPROBE_PMU.read_text())
    except (OSError, ValueError):  # no kprobes in this kernel
        return False
    name = ctypes.c_char_p(f"__{prefix}_sys_bpf".encode())
    attr = perf.Attr(
        type=kind, size=ctypes.sizeof(perf.Attr), disabled=1, config1=ctypes.cast(name, ctypes.c_void_p).value
    )
    with privileges.raised():
        try:
            return _closed(syscall("perf_event_open", ctypes.byref(attr), os.getpid(), -1, -1, 8))
        except OSError:
            return False


@functools.lru_cache(maxsize=1)
def kernel_version() -> int:
    """KERNEL_VERSION(a, b, c) as libbpf finds it: distributions put it elsewhere, and the kernel checks
    it for kprobes before Linux 5.0."""
    ubuntu = ""
    try:
        ubuntu = Path("/proc/version_signature").read_text()
    except OSError:
        pass
    name = os.uname()
    found = (
        re.match(r"\S+ \S+ (\d+)\.(\d+)\.(\d+)", ubuntu)
        or re.search(r"Debian (\d+)\.(\d+)\.(\d+)", name.version)
        or re.match(r"(\d+)\.(\d+)\.(\d+)", name.release)
    )
    if not found:
        return 0
    major, minor, patch = (int(part) for part in found.groups())
    return major << 16 | minor << 8 | min(patch, 255)


def _loads(prog_type: int, insns: bytes, details: bpf.Details | None = None) -> bool:
    with privileges.raised():
        return _closed(bpf.prog_load(prog_type, insns, "GPL", details=details or bpf.Details()).fd)


def _btf_fd(data: bytes) -> int | None:
    with privileges.raised():
        return btf_load(data).fd


def _closed(fd: int | None) -> bool:
    if fd is not None:
        os.close(fd)
    return fd is not None
