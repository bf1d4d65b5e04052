# SPDX-License-Identifier: Apache-2.0
"""What a program says it is attached to when it is loaded: a type of the kernel's, or another program.

As libbpf's libbpf_find_attach_btf_id, with its errnos.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import bpf, bpf_btf, hints, kernel_btf
from .btf import Btf, Kind
from .bundle import Bundle, Program
from .errors import KernelError, Lacking, Problem
from .kernel_btf import Found
from .syscalls import errno_name

# expected_attach_type -> what stands before the target in the type's name, and its kind
# (btf_get_kernel_prefix_kind in libbpf)
_PREFIXES = {
    "trace_raw_tp": ("btf_trace_", Kind.TYPEDEF),
    "lsm_mac": ("bpf_lsm_", Kind.FUNC),
    "lsm_cgroup": ("bpf_lsm_", Kind.FUNC),
    "trace_iter": ("bpf_iter_", Kind.FUNC),
}
_ID = re.compile("id:([0-9]{1,10})")

Others = Callable[[str], Bundle]
"""Gives the bundle of another object by its name, or Problem."""


@dataclass(frozen=True)
class Target:
    """attach_btf_id and attach_fd of bpf.Details."""

    btf_id: int
    fd: int = 0


def in_kernel(program: Program) -> Found:
    """The kernel's type that program.attach_btf names ("btf_trace_sched_switch", "MODULE:FUNCTION").

    Lacking where there is none.
    """
    assert program.attach_btf is not None
    prefix, kind = _PREFIXES.get(program.expected_attach_type or "", ("", Kind.FUNC))
    module, colon, rest = program.attach_btf[len(prefix) :].partition(":")
    name = prefix + rest if colon else program.attach_btf
    found = kernel_btf.find(kind, name, module if colon else None)
    if found is None:
        what = "type" if kind == Kind.TYPEDEF else "function"
        raise Lacking(
            f"this kernel has no {what} {name}" + (f" in {module}" if colon else "") + " to attach to",
            errno="ESRCH",
            where=program.name,
            help="its BTF has none of that name; it may be inlined, or another kernel's",
        )
    return found


def in_program(program: Program, target: int) -> Target:
    """The function program.attach_btf of the loaded program behind target."""
    assert program.attach_btf is not None
    btf_id = bpf.prog_info(target).btf_id
    found = None
    if btf_id:
        fd = bpf_btf.btf_fd(btf_id)
        try:
            found = Btf.parse(bpf_btf.btf_data(fd)).find(program.attach_btf, Kind.FUNC)
        finally:
            os.close(fd)
    if found is None:
        raise KernelError(
            f"the program {program.target} has no function {program.attach_btf}"
            + ("" if btf_id else " that is known: it was loaded without BTF"),
            errno="ENOENT" if btf_id else "EINVAL",
            where=program.name,
        )
    return Target(found, target)


def opened(words: str) -> int:
    """The fd of a loaded program: "/path/of/its/pin" or "id:123". Problem, which names it, where there is
    none."""
    if words.startswith("id:"):
        opening = functools.partial(bpf.prog_fd, _id(words))
    elif "\0" in words:
        raise Problem(f"its target program {words} is no path")
    else:
        opening = functools.partial(bpf.obj_get, words)
    try:
        fd = opening()
    except OSError as error:
        name = errno_name(error.errno or 0)
        raise KernelError(
            f"its target program {words} cannot be had: {name}", errno=name, help=hints.explain(name)
        ) from None
    kind = Path(f"/proc/self/fd/{fd}").readlink()  # "anon_inode:bpf-prog", of bpf_prog_new_fd()
    if "bpf-prog" not in kind.name:
        os.close(fd)
        raise KernelError(f"its target program {words} is no program, but a map or a link", errno="EINVAL")
    return fd


def _id(words: str) -> int:
    found = _ID.fullmatch(words)
    number = int(found[1]) if found else 0
    if not 0 < number < 1 << 32:  # prog_id of union bpf_attr: more would be another program's
        raise Problem(
            f"its target program {words} is no program's id", help="write id:123, as bpftool prog shows it"
        )
    return number


def is_loaded(words: str) -> bool:
    """Whether a program's target is one that somebody else loaded, or pinned."""
    return words.startswith(("/", "id:"))


def program(words: str, bundle: Bundle, others: Others) -> tuple[Bundle, Program]:
    """The program "PROGRAM" or "OBJECT/PROGRAM", and the bundle that it is in: bundle or one of others.
    Problem where there is none, or one that cannot be extended."""
    object_, _, name = words.rpartition("/")
    try:
        home = bundle if object_ in ("", bundle.object) else others(object_)
    except Problem as error:
        what = error.what if error.where is None else f": {error.where}: {error.what}"
        space = " " if error.where is None else ""
        raise Problem(f"its target object {object_}{space}{what}", help=error.help) from None
    found = next((each for each in home.programs if each.name == name), None)
    if found is None:
        raise KernelError(
            f"there is no target program {words}",
            errno="ENOENT",
            where=bundle.object,
            help=f"{home.object} has " + ", ".join(each.name for each in home.programs),
        )
    if found.type == "ext":  # "Cannot recursively attach", bpf_check_attach_target in kernel/bpf/verifier.c
        raise KernelError(
            f"its target program {words} replaces a function itself, and cannot be extended",
            errno="EINVAL",
            where=bundle.object,
        )
    return home, found
