# SPDX-License-Identifier: Apache-2.0
"""Externs: kernel functions and variables that a program names, found in the running kernel.

As libbpf's bpf_object__resolve_externs; those of .kconfig are in kconfig.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import kernel_btf, privileges
from .btf import Btf, Kind
from .btf_compat import compatible
from .btf_types import essential_name
from .bundle import Extern
from .errors import KernelError, Lacking

_KALLSYMS = Path("/proc/kallsyms")


@dataclass(frozen=True)
class Resolved:
    """type_id: in the kernel's BTF, of a kfunc or a typed variable; btf_id: that BTF object's id, 0 for
    vmlinux. address: of an untyped one. Not found (a weak one alone), all are 0."""

    found: bool
    type_id: int = 0
    btf_id: int = 0
    address: int = 0


_NOTHING = Resolved(False)


def resolve_all(wanted: Sequence[Extern], btf: Callable[[], Btf]) -> dict[str, Resolved]:
    """What each kfunc and ksym is in this kernel, by its name; btf gives the bundle's BTF.

    Lacking where it has none, KernelError where its type is another than the program declares; a weak
    one is then not found.
    """
    untyped = [extern for extern in wanted if extern.kind == "address"]
    found = _addresses(untyped) if untyped else {}
    for extern in wanted:
        if extern.kind in ("kfunc", "ksym"):
            found[extern.name] = _typed(extern, btf())
    return found


def _typed(extern: Extern, btf: Btf) -> Resolved:
    kind = Kind.FUNC if extern.kind == "kfunc" else Kind.VAR
    what = "function" if extern.kind == "kfunc" else "variable"
    found = kernel_btf.find(kind, essential_name(extern.name) if extern.kind == "kfunc" else extern.name)
    if found is None:
        if extern.weak:
            return _NOTHING
        raise _lacks(extern, what, "in the BTF of vmlinux or of a loaded module")
    declared = btf.type(extern.type_id)
    ours = declared.size_or_type if declared.kind in (Kind.FUNC, Kind.VAR) else declared.id
    theirs = found.btf.type(found.type_id).size_or_type
    if not compatible(btf, ours, found.btf, theirs):
        if extern.weak:
            return _NOTHING
        raise KernelError(
            f"this kernel's {extern.name} has another type than the program declares",
            errno="EINVAL",
            where=extern.name,
            help="declare it as vmlinux.h of this kernel does",
        )
    return Resolved(True, found.type_id, found.btf_id)


def _addresses(wanted: Sequence[Extern]) -> dict[str, Resolved]:
    """From /proc/kallsyms, which takes the kernel 40 ms."""
    with privileges.raised():  # others read addresses that are 0 (kptr_restrict)
        text = _KALLSYMS.read_bytes()
    return {extern.name: _address(extern, text) for extern in wanted}


def _address(extern: Extern, text: bytes) -> Resolved:
    # "ffffffff81000000 T _text"; ThinLTO calls what it promoted name.llvm.NUMBER. Lines are not split: there
    # are 150,000, and the search for a name is ten times faster.
    lines = re.finditer(rb" (.) %b(\.llvm\.\S*)?[\t\n]" % re.escape(extern.name.encode()), text)
    found = {
        int(text[text.rfind(b"\n", 0, line.start()) + 1 : line.start()], 16)
        for line in lines
        if line[2] is None or line[1] == b"d"
    }
    if len(found) > 1:
        raise KernelError(
            f"this kernel has {len(found)} symbols of the name {extern.name}",
            errno="EINVAL",
            where=extern.name,
        )
    if found:
        return Resolved(True, address=found.pop())
    if extern.weak:
        return _NOTHING
    raise _lacks(extern, "symbol", "in /proc/kallsyms")


def _lacks(extern: Extern, what: str, where: str) -> Lacking:
    return Lacking(
        f"this kernel has no {what} {extern.name} ({where})",
        errno="ESRCH",
        where=extern.name,
        help="declare it __weak and test it with bpf_ksym_exists() before it is used",
    )
