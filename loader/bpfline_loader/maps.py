# SPDX-License-Identifier: Apache-2.0
"""Maps: making one as libbpf would, and putting its contents into it."""

from __future__ import annotations

import dataclasses
import functools
import mmap
import struct
from collections.abc import Mapping
from pathlib import Path

from . import bpf, features, hints
from .bpf_map import MapAttr, map_create, map_freeze, map_update
from .bundle import Map
from .errors import KernelError, Lacking
from .map_types import MAP_TYPES
from .syscalls import errno_name

_POSSIBLE = Path("/sys/devices/system/cpu/possible")
_LARGEST = (1 << 32) - 1  # max_entries is a __u32
_MMAPABLE = 1 << 10  # BPF_F_MMAPABLE

# Map types that take no BTF ids; bpf_object__create_map in libbpf
_WITHOUT_BTF = frozenset(
    (
        "perf_event_array", "cgroup_array", "stack_trace", "array_of_maps", "hash_of_maps", "devmap",
        "devmap_hash", "cpumap", "xskmap", "sockmap", "sockhash", "queue", "stack", "arena",
    )
)  # fmt: skip


# Maps that have no max_entries, or get it from what they are for
_SIZELESS = frozenset(
    (
        "sk_storage", "task_storage", "inode_storage", "cgroup_storage", "percpu_cgroup_storage",
        "cgrp_storage", "struct_ops", "perf_event_array",
    )
)  # fmt: skip


def sized(wanted: Map) -> Map:
    """The map, with one entry where its size is left to a process that sets it before loading.

    The verifier does not ask how many entries a map has; veristat does the same (fixup_obj).
    """
    if wanted.max_entries or wanted.type in _SIZELESS:
        return wanted
    return dataclasses.replace(wanted, max_entries=1)


def attributes(wanted: Map, btf_fd: int) -> MapAttr:
    """What BPF_MAP_CREATE is asked for first. btf_fd: of the bundle's BTF, 0 without."""
    number = MAP_TYPES.get(wanted.type)
    if number is None:
        raise KernelError(
            f"map type {wanted.type} is not known",
            errno="EINVAL",
            where=wanted.name,
            help="known are " + ", ".join(MAP_TYPES),
        )
    attr = MapAttr(
        map_type=number,
        key_size=wanted.key_size,
        value_size=wanted.value_size,
        max_entries=max_entries(wanted),
        map_flags=wanted.flags,
        numa_node=wanted.numa_node or 0,
        map_name=bpf.object_name(wanted.kernel_name or wanted.name),
        map_extra=wanted.extra,
    )
    if not btf_fd or wanted.type in _WITHOUT_BTF:
        return attr
    return dataclasses.replace(
        attr, btf_fd=btf_fd, btf_key_type_id=wanted.key_type_id, btf_value_type_id=wanted.value_type_id
    )


def max_entries(wanted: Map) -> int:
    """As the kernel is asked for it: see bundle.Map."""
    if wanted.type == "perf_event_array" and not wanted.max_entries:
        return possible_cpus()
    if wanted.type in ("ringbuf", "user_ringbuf") and wanted.max_entries:
        size = mmap.PAGESIZE
        while size < wanted.max_entries:
            size *= 2
        return size if size <= _LARGEST else wanted.max_entries
    return wanted.max_entries


@functools.lru_cache(maxsize=1)
def possible_cpus() -> int:
    """How many processors this kernel may ever have: "0-3,8-11" is 8."""
    ranges = (part.split("-") for part in _POSSIBLE.read_text().strip().split(","))
    return sum(int(ends[-1]) - int(ends[0]) + 1 for ends in ranges)


def create(wanted: Map, attr: MapAttr) -> tuple[int, str]:
    """The new map's fd, and a note where the kernel took it only without something.

    As libbpf: without BTF ids where it does not take them, and the map of a section without
    BPF_F_MMAPABLE (Linux 5.5). Lacking where the kernel has no such maps, else KernelError.
    """
    attempts = [(attr, "")]
    if wanted.data is not None and attr.map_flags & _MMAPABLE:
        less = dataclasses.replace(attr, map_flags=attr.map_flags & ~_MMAPABLE)
        attempts.append((less, "the kernel takes it only without BPF_F_MMAPABLE"))
    if attr.btf_key_type_id or attr.btf_value_type_id:
        attempts += [
            (
                dataclasses.replace(each, btf_fd=0, btf_key_type_id=0, btf_value_type_id=0),
                f"{note or 'the kernel takes it only without'}{' and' if note else ''} its BTF types",
            )
            for each, note in attempts
        ]
    failure = OSError()
    for each, note in attempts:
        try:
            return map_create(each), note
        except OSError as error:
            failure = error.with_traceback(None)  # which would hold on to this frame, and to the object
    raise refused(wanted, failure)


def refused(wanted: Map, error: OSError, doing: str = "cannot be created") -> KernelError:
    """What is said of a map that error befell."""
    name = errno_name(error.errno or 0)
    if name == "EINVAL" and wanted.struct_ops is None and features.lacks_map_type(wanted.type):
        return Lacking(
            f"map {wanted.name}: this kernel has no maps of type {wanted.type}", errno=name, where=wanted.name
        )
    return KernelError(
        f"map {wanted.name} ({wanted.type}) {doing}: {name}",
        errno=name,
        where=wanted.name,
        help=_explain(wanted, name),
    )


def fill(wanted: Map, fd: int, data: bytes | None) -> None:
    """Write the contents of a section's map, and freeze it where it is for reading alone."""
    if data is None:
        return
    try:
        map_update(fd, bytes(4), data.ljust(wanted.value_size, b"\0"))
        if wanted.frozen:
            map_freeze(fd)
    except OSError as error:
        raise refused(wanted, error, "cannot be given its contents") from None


def fill_slots(wanted: Map, fd: int, fds: Mapping[str, int]) -> None:
    """Put the maps or programs that its initial value names into it; fds: theirs, by name."""
    for slot in wanted.slots:
        if slot.target not in fds:
            raise KernelError(
                f"map {wanted.name} cannot hold {slot.target} at {slot.index}: it is not loaded",
                errno="EBADF",
                where=wanted.name,
                help='SEC("?...") is loaded only when asked for',
            )
        try:
            key = struct.pack("=I", slot.index).ljust(wanted.key_size, b"\0")
            map_update(fd, key, struct.pack("=i", fds[slot.target]))
        except OSError as error:
            raise refused(wanted, error, f"cannot hold {slot.target} at {slot.index}") from None


def _explain(wanted: Map, name: str) -> str:
    if name == "EINVAL":
        asked = (
            f"key_size {wanted.key_size}, value_size {wanted.value_size}, max_entries {wanted.max_entries}"
        )
        return f"the kernel takes no {wanted.type} with {asked}, map_flags {wanted.flags:#x}"
    if name == "E2BIG":
        return "it is larger than the kernel allows: lower max_entries or the size of its values"
    return hints.explain(name, hints.LOAD)
