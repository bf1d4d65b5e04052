# SPDX-License-Identifier: Apache-2.0
"""Pinning: maps that ask for it (LIBBPF_PIN_BY_NAME) are taken from, and put into, a mounted bpffs."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Container, Mapping
from contextlib import ExitStack
from pathlib import Path

from . import bpf, maps
from .bpf_map import MapAttr
from .bundle import Bundle, Map
from .errors import KernelError
from .map_types import MAP_TYPES
from .privileges import raised
from .syscalls import errno_name, syscall
from .tracefs import mountinfo

CANONICAL = "/sys/fs/bpf"
MOUNT_COMMAND = f"mount -t bpf bpf {CANONICAL}"

OBJ_PIN = 6  # enum bpf_cmd, linux/bpf.h
_BPF_F_RDONLY_PROG = 1 << 7
_DEVICE_MAPS = (MAP_TYPES["devmap"], MAP_TYPES["devmap_hash"])


class _ObjPin(ctypes.Structure):
    """union bpf_attr as BPF_OBJ_PIN reads it."""

    _fields_ = (("pathname", ctypes.c_uint64), ("bpf_fd", ctypes.c_uint32), ("file_flags", ctypes.c_uint32))


class _MapInfo(ctypes.Structure):
    """struct bpf_map_info as far as map_extra (Linux 5.16); an older kernel fills less of it."""

    _fields_ = (
        ("type", ctypes.c_uint32),
        ("id", ctypes.c_uint32),
        ("key_size", ctypes.c_uint32),
        ("value_size", ctypes.c_uint32),
        ("max_entries", ctypes.c_uint32),
        ("map_flags", ctypes.c_uint32),
        ("name", ctypes.c_char * 16),
        ("ifindex", ctypes.c_uint32),
        ("btf_vmlinux_value_type_id", ctypes.c_uint32),
        ("netns_dev", ctypes.c_uint64),
        ("netns_ino", ctypes.c_uint64),
        ("btf_id", ctypes.c_uint32),
        ("btf_key_type_id", ctypes.c_uint32),
        ("btf_value_type_id", ctypes.c_uint32),
        ("btf_vmlinux_id", ctypes.c_uint32),
        ("map_extra", ctypes.c_uint64),
    )


def folder() -> str | None:
    """Where a bpffs is mounted: /sys/fs/bpf, else wherever one is; None where none is."""
    mounted = [mount for mount in mountinfo() if mount.kind == "bpf"]
    for mount in sorted(mounted, key=lambda each: each.path != CANONICAL):
        try:
            if Path(mount.path).stat().st_dev == mount.device:  # else something is mounted over it
                return mount.path
        except OSError:
            continue
    return None


class Pins:
    """The pins of one run. said: what was pinned, reused, or could not be pinned, in lines."""

    def __init__(self, stack: ExitStack):
        """stack closes the fds of maps that were pinned already."""
        self.said: list[str] = []
        self._stack = stack
        self._made: list[str] = []

    def present(self, bundle: Bundle) -> dict[str, int]:
        """fds of the bundle's maps that are pinned already, by name.

        KernelError where what is pinned there is another kind of map, or cannot be had.
        """
        fds = {}
        root = folder() if _wanted(bundle) else None
        if root is not None:
            for each in _wanted(bundle):
                fd = _reused(each, _path(each, root))
                if fd is not None:
                    self._stack.callback(os.close, fd)
                    fds[each.name] = fd
                    self.said.append(f"map {each.name} is the one that is pinned at {_path(each, root)}")
        return fds

    def pin(self, bundle: Bundle, fds: Mapping[str, int], present: Container[str]) -> None:
        """Pin the bundle's maps that ask for it, but those of present. KernelError where one cannot be.

        Where no bpffs is mounted none is, which is said.
        """
        new = [each for each in _wanted(bundle) if each.name in fds and each.name not in present]
        root = folder() if new else None
        for each in new:
            if root is None:
                self.said.append(
                    f"warning: map {each.name} asks to be pinned, and no bpffs is mounted: it goes with this "
                    f"run\n  help: {MOUNT_COMMAND}"
                )
                continue
            path = _path(each, root)
            _pin(fds[each.name], path)
            self._made.append(path)
            self.said.append(f"pinned map {each.name} at {path}, where it stays; rm {path} removes it")

    def undo(self) -> None:
        """Remove what this run has pinned."""
        with raised():
            for path in self._made:
                Path(path).unlink(missing_ok=True)  # somebody else may have removed it


def _wanted(bundle: Bundle) -> list[Map]:
    return [each for each in bundle.maps if each.pinning and each.autocreate]


def _path(wanted: Map, root: str) -> str:
    """As libbpf: bpffs has no names with a dot."""
    return f"{root}/{wanted.name.replace('.', '_')}"


def _pin(fd: int, path: str) -> None:
    name = os.fsencode(path) + b"\0"
    attr = _ObjPin(pathname=bpf.address(name), bpf_fd=fd)
    with raised():
        try:
            syscall("bpf", OBJ_PIN, ctypes.byref(attr), ctypes.sizeof(attr))
        except OSError as error:
            raise _problem("cannot be pinned", path, error) from None


def _reused(each: Map, path: str) -> int | None:
    with raised():
        try:
            fd = bpf.obj_get(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _problem("what is pinned there cannot be used", path, error) from None
        differs = _differences(maps.attributes(each, 0), fd)
    if differs:
        os.close(fd)
        raise KernelError(
            f"the map pinned there is not the {each.name} of this object: {', '.join(differs)}",
            errno="EINVAL",
            where=path,
            help=f"rm {path}, if nobody needs it",
        )
    return fd


def _differences(asked: MapAttr, fd: int) -> list[str]:
    """In what a map is not as asked for, by what libbpf compares (map_is_reuse_compat)."""
    info = _MapInfo()
    try:
        bpf.get_info(fd, info)
    except OSError:
        return ["it is no map"]
    # The kernel sets this flag of device maps itself.
    shown = _BPF_F_RDONLY_PROG if asked.map_type in _DEVICE_MAPS else 0
    pairs = {
        "type": (info.type, asked.map_type),
        "key_size": (info.key_size, asked.key_size),
        "value_size": (info.value_size, asked.value_size),
        "max_entries": (info.max_entries, asked.max_entries),
        "map_flags": (info.map_flags & ~shown, asked.map_flags),
        "map_extra": (info.map_extra, asked.map_extra),
    }
    return [f"its {name} is {there}, not {here}" for name, (there, here) in pairs.items() if there != here]


def _problem(what: str, path: str, error: OSError) -> KernelError:
    name = errno_name(error.errno or 0)
    remedy = "another run pinned one meanwhile: try again" if error.errno == errno.EEXIST else ""
    return KernelError(f"{what}: {name}", errno=name, where=path, help=remedy)
