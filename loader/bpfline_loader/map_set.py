# SPDX-License-Identifier: Apache-2.0
"""All maps of a bundle: each made once, for every program that refers to it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping

from . import bpf_btf, kconfig, maps, struct_ops
from .btf import Btf
from .bundle import Bundle, Map, StructOps
from .errors import KernelError
from .struct_ops import Callback, KernelValue

KCONFIG = ".kconfig"


class MapSet:
    """fds: by the maps' names. values: of struct_ops maps, those that are not created on their own too;
    unsuited: why one of the latter has none. callbacks: each program that they name, with the value that it
    is in. notes: what the kernel took only in part."""

    def __init__(self, bundle: Bundle, btf_fd: int):
        self.fds: dict[str, int] = {}
        self.values: dict[str, KernelValue] = {}
        self.unsuited: dict[str, KernelError] = {}
        self.callbacks: dict[str, tuple[Callback, KernelValue]] = {}
        self.notes: list[str] = []
        self._bundle = bundle
        self._btf_fd = btf_fd

    def create(self, present: Mapping[str, int], btf: Callable[[], Btf], hold: Callable[[int], int]) -> None:
        """Make the maps and put into them what they hold before programs are loaded.

        present: fds of those that are there already (pinned ones); they stay the caller's, and as they are.
        hold gets each fd, to close it, and gives it back. KernelError where one cannot be made.
        """
        # Kept, btf and hold would lead back to the object: its memory, with all of its data, would not be
        # free when the next one is read.
        # Those that are not created are none of libbpf's business, and take no program from another.
        for wanted in sorted(self._bundle.maps, key=lambda each: not each.autocreate):
            if wanted.struct_ops is not None:
                self._lay_out(wanted, wanted.struct_ops, btf())
        for wanted in self._bundle.maps:
            if wanted.name in present:
                self.fds[wanted.name] = present[wanted.name]
            elif wanted.autocreate:
                self.fds[wanted.name] = self._create(wanted, btf, hold)
        for wanted in self._bundle.maps:
            if wanted.slots and wanted.type != "prog_array" and wanted.name not in present:
                targets = {slot.target: self.fd(slot.target) for slot in wanted.slots}
                maps.fill_slots(wanted, self.fd(wanted.name), targets)

    def _lay_out(self, wanted: Map, ops: StructOps, btf: Btf) -> None:
        try:
            value = struct_ops.laid_out(wanted, ops, btf)
            self._take(wanted, value)
        except KernelError as error:
            if wanted.autocreate:
                raise
            self.unsuited[wanted.name] = error.with_traceback(None)  # which would hold on to this frame
            return
        self.values[wanted.name] = value
        if value.left_out and wanted.autocreate:
            its = f"struct {ops.type_name} has no {', '.join(value.left_out)}"
            self.notes.append(f"map {wanted.name}: this kernel's {its}, left out where it is zero")

    def _take(self, wanted: Map, value: KernelValue) -> None:
        """Add the value's callbacks. KernelError for a program that is another member already: it is verified
        as what one member takes and gives (bpf_map__init_kern_struct_ops in libbpf)."""
        taken = dict(self.callbacks)
        for each in value.callbacks:
            earlier, _ = taken.setdefault(each.program, (each, value))
            if (earlier.type_id, earlier.index) != (each.type_id, each.index):
                both = f"{each.member}, and {earlier.member} already"
                raise KernelError(
                    f"map {wanted.name}: program {each.program} is {both}",
                    errno="EINVAL",
                    where=wanted.name,
                    help="write a program for each member",
                )
        self.callbacks = taken

    def fd(self, name: str) -> int:
        """The map's fd; KernelError where it is not there."""
        try:
            return self.fds[name]
        except KeyError:
            raise KernelError(
                f"map {name} is not created unless it is asked for", errno="EINVAL", where=name
            ) from None

    def _create(self, wanted: Map, btf: Callable[[], Btf], hold: Callable[[int], int]) -> int:
        contents = wanted.data
        if wanted.section == KCONFIG:
            externs = [extern for extern in self._bundle.externs if extern.kind == "kconfig"]
            contents = kconfig.contents(externs, btf(), wanted.value_size)
        inner = -1
        module = 0
        attr = maps.attributes(wanted, self._btf_fd)
        try:
            if wanted.inner is not None:
                inner, _ = maps.create(wanted.inner, maps.attributes(wanted.inner, self._btf_fd))
                attr = dataclasses.replace(attr, inner_map_fd=inner)
            if wanted.struct_ops is not None:
                value = self.values[wanted.name]
                flags = attr.map_flags | (struct_ops.BPF_F_LINK if wanted.struct_ops.link else 0)
                if value.btf_id:
                    module = hold(bpf_btf.btf_fd(value.btf_id))
                    flags |= struct_ops.BPF_F_VTYPE_BTF_OBJ_FD
                attr = dataclasses.replace(
                    attr,
                    map_flags=flags,
                    value_size=len(value.data),
                    btf_key_type_id=0,
                    btf_value_type_id=0,
                    btf_vmlinux_value_type_id=value.value_type_id,
                    value_type_btf_obj_fd=module,
                )
            fd, note = maps.create(wanted, attr)
        except OSError as error:  # the module went away
            raise maps.refused(wanted, error) from None
        finally:
            if inner >= 0:
                os.close(inner)
        if note:
            self.notes.append(f"map {wanted.name}: {note}")
        maps.fill(wanted, hold(fd), contents)
        return fd
