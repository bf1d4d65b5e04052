# SPDX-License-Identifier: Apache-2.0
"""The running kernel's BTF, and that of its modules: where a name of the kernel's stands.

vmlinux is read when something is first looked up, once in a process.
"""

from __future__ import annotations

import errno
import functools
import os
from dataclasses import dataclass

from . import bpf_btf, kernel, privileges
from .btf import Btf
from .errors import Lacking
from .kernel import BTF
from .syscalls import errno_name


@dataclass(frozen=True)
class Found:
    """A type of the kernel's. btf_id: the BTF object's id where it is a module's, 0 for vmlinux (whose
    fd bpf(2) takes as 0); module: the module's name."""

    type_id: int
    btf: Btf
    btf_id: int = 0
    module: str = "vmlinux"


@dataclass(frozen=True)
class _Module:
    name: str
    btf: Btf


@functools.lru_cache(maxsize=1)
def vmlinux() -> Btf:
    """Lacking where this kernel has no BTF (CONFIG_DEBUG_INFO_BTF)."""
    try:
        return Btf.parse(kernel.btf())
    except OSError as error:
        raise Lacking(
            f"this kernel's BTF cannot be read: {error.strerror}",
            errno=errno_name(error.errno or 0),
            where=BTF,
            help="the program needs a kernel with CONFIG_DEBUG_INFO_BTF=y",
        ) from None


def find(kind: int, name: str, module: str | None = None) -> Found | None:
    """The type of that kind (BTF_KIND_*) and name: vmlinux's, or else the first module's that has it.

    module: the one to look in ("vmlinux" too). Modules' BTF is for CAP_SYS_ADMIN alone; without it they
    are passed over, as by libbpf.
    """
    if module in (None, "vmlinux"):
        type_id = _in_vmlinux(kind, name)
        if type_id is not None:
            return Found(type_id, vmlinux())
    if module != "vmlinux":
        for btf_id in _module_ids():
            found = _module(btf_id)
            if found is not None and module in (None, found.name):
                type_id = found.btf.find_own(name, kind)
                if type_id is not None:
                    return Found(type_id, found.btf, btf_id, found.name)
    return None


def modules() -> tuple[tuple[str, int], ...]:
    """The modules that have BTF now, each with its size: one that was built anew is seldom of the same."""
    try:
        with os.scandir(BTF.parent) as files:
            return tuple(sorted((each.name, each.stat().st_size) for each in files))
    except OSError:
        return ()


@functools.cache
def _in_vmlinux(kind: int, name: str) -> int | None:
    return vmlinux().find(name, kind)


def _module_ids() -> list[int]:
    """Every BTF object's: a module may come and go at any time."""
    ids: list[int] = []
    with privileges.raised():
        try:
            last = bpf_btf.btf_next_id(0)
            while last is not None:
                ids.append(last)
                last = bpf_btf.btf_next_id(last)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EINVAL):  # EINVAL: before Linux 4.20
                raise
    return ids


@functools.cache
def _module(btf_id: int) -> _Module | None:
    """The module whose BTF this is, None for vmlinux and for a program's. The kernel gives an id anew
    only after two thousand million others (idr_alloc_cyclic)."""
    with privileges.raised():
        try:
            fd = bpf_btf.btf_fd(btf_id)
        except OSError:  # gone meanwhile
            return None
        try:
            info = bpf_btf.btf_info(fd)
            if not info.kernel or info.name == "vmlinux":
                return None
            return _Module(info.name, Btf.parse(bpf_btf.btf_data(fd), vmlinux()))
        finally:
            os.close(fd)
