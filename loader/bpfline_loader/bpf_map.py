# SPDX-License-Identifier: Apache-2.0
"""bpf(2): maps. Every fd is close-on-exec; what the kernel refuses is an OSError."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

from .bpf import address
from .syscalls import syscall

# enum bpf_cmd, linux/bpf.h
MAP_CREATE = 0
MAP_UPDATE_ELEM = 2
MAP_FREEZE = 22

_NAME_LEN = 16  # BPF_OBJ_NAME_LEN


class _MapCreate(ctypes.Structure):
    """union bpf_attr as BPF_MAP_CREATE reads it. An older kernel takes the longer attribute as long as
    what it does not know is zero (bpf_check_uarg_tail_zero)."""

    _fields_ = (
        ("map_type", ctypes.c_uint32),
        ("key_size", ctypes.c_uint32),
        ("value_size", ctypes.c_uint32),
        ("max_entries", ctypes.c_uint32),
        ("map_flags", ctypes.c_uint32),
        ("inner_map_fd", ctypes.c_uint32),
        ("numa_node", ctypes.c_uint32),
        ("map_name", ctypes.c_char * _NAME_LEN),
        ("map_ifindex", ctypes.c_uint32),
        ("btf_fd", ctypes.c_uint32),
        ("btf_key_type_id", ctypes.c_uint32),
        ("btf_value_type_id", ctypes.c_uint32),
        ("btf_vmlinux_value_type_id", ctypes.c_uint32),
        ("map_extra", ctypes.c_uint64),
        ("value_type_btf_obj_fd", ctypes.c_int32),
        ("map_token_fd", ctypes.c_int32),
    )


class _MapElem(ctypes.Structure):
    """union bpf_attr as BPF_MAP_UPDATE_ELEM and BPF_MAP_FREEZE read it."""

    _fields_ = (
        ("map_fd", ctypes.c_uint32),
        ("key", ctypes.c_uint64),
        ("value", ctypes.c_uint64),
        ("flags", ctypes.c_uint64),
    )


@dataclass(frozen=True)
class MapAttr:
    """What BPF_MAP_CREATE takes, by the names of union bpf_attr. map_name: as bpf.object_name() gives it."""

    map_type: int
    key_size: int
    value_size: int
    max_entries: int
    map_flags: int = 0
    inner_map_fd: int = 0
    numa_node: int = 0
    map_name: str = ""
    btf_fd: int = 0
    btf_key_type_id: int = 0
    btf_value_type_id: int = 0
    btf_vmlinux_value_type_id: int = 0
    map_extra: int = 0
    value_type_btf_obj_fd: int = 0


def map_create(wanted: MapAttr) -> int:
    """The new map's fd."""
    attr = _MapCreate(
        map_type=wanted.map_type,
        key_size=wanted.key_size,
        value_size=wanted.value_size,
        max_entries=wanted.max_entries,
        map_flags=wanted.map_flags,
        inner_map_fd=wanted.inner_map_fd,
        numa_node=wanted.numa_node,
        map_name=wanted.map_name.encode(),
        btf_fd=wanted.btf_fd,
        btf_key_type_id=wanted.btf_key_type_id,
        btf_value_type_id=wanted.btf_value_type_id,
        btf_vmlinux_value_type_id=wanted.btf_vmlinux_value_type_id,
        map_extra=wanted.map_extra,
        value_type_btf_obj_fd=wanted.value_type_btf_obj_fd,
    )
    return syscall("bpf", MAP_CREATE, ctypes.byref(attr), ctypes.sizeof(attr))


def map_update(fd: int, key: bytes, value: bytes, flags: int = 0) -> None:
    """Put value at key; both have the map's sizes."""
    attr = _MapElem(map_fd=fd, key=address(key), value=address(value), flags=flags)
    syscall("bpf", MAP_UPDATE_ELEM, ctypes.byref(attr), ctypes.sizeof(attr))


def map_freeze(fd: int) -> None:
    """Let no process write to the map any more (Linux 5.2)."""
    attr = _MapElem(map_fd=fd)
    syscall("bpf", MAP_FREEZE, ctypes.byref(attr), 4)  # the kernel knows map_fd alone there
