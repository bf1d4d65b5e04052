# SPDX-License-Identifier: Apache-2.0
"""Attaching: one module for each family of programs, each with attach(program, fd, tracefs).

A family whose older way leaves something behind has with_link() and with_...() beside it, and what removes
the latter, in _REMOVE.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from .. import bundle, outliving
from ..errors import Problem
from ..tracefs import Tracefs
from . import cgroup, iterator, perf_event, raw_tracepoint, tcx, tracepoint, uprobe, xdp
from .attachment import Attachment

__all__ = ["FAMILIES", "Attachment", "Family", "attach", "described", "family", "remove_left"]


@dataclass(frozen=True)
class Family:
    """What a program of these types, attach types and sections is attached with.

    attach_types, sections: None for any. target: an example of what must be named, None where nothing must.
    """

    attach: Callable[[bundle.Program, int, Tracefs], Attachment]
    types: tuple[str, ...]
    target: str | None
    attach_types: tuple[str | None, ...] | None = None
    sections: frozenset[str] | None = None


FAMILIES = (
    Family(tracepoint.attach, ("tracepoint",), tracepoint.TARGET),
    Family(raw_tracepoint.attach, ("raw_tracepoint", "raw_tracepoint_writable"), raw_tracepoint.TARGET),
    Family(raw_tracepoint.attach, ("tracing",), raw_tracepoint.TARGET, ("trace_raw_tp",)),
    Family(iterator.attach, ("tracing",), iterator.TARGET, ("trace_iter",)),
    Family(perf_event.attach, ("perf_event",), perf_event.TARGET),
    Family(uprobe.attach, ("kprobe",), uprobe.TARGET, sections=uprobe.SECTIONS),
    Family(xdp.attach, ("xdp",), xdp.TARGET, ("xdp", None)),
    Family(tcx.attach, ("sched_cls",), tcx.TARGET, ("tcx_ingress", "tcx_egress", None)),
    Family(cgroup.attach, cgroup.TYPES, cgroup.TARGET),
)

# In this order: a qdisc goes when it has no filter any more.
_REMOVE: dict[str, outliving.Remove] = {
    "tc filter": tcx.remove_filter,
    "clsact": tcx.remove_clsact,
    "xdp": xdp.remove,
    "cgroup": cgroup.remove,
}


def family(program: bundle.Program) -> Family | None:
    """The program's; None for one that this loader attaches to nothing."""
    section = program.section.partition("/")[0]
    for each in FAMILIES:
        if (
            program.type in each.types
            and (each.attach_types is None or program.expected_attach_type in each.attach_types)
            and (each.sections is None or section in each.sections)
        ):
            return each
    return None


def attach(program: bundle.Program, fd: int, tracefs: Tracefs, *, name: str = "") -> Attachment:
    """Bind the program that was loaded as fd to what its bundle says. Problem where that cannot be.

    name: OBJECT/PROGRAM, what settings call it.
    """
    its = family(program)
    if its is None:
        raise Problem(
            f"{described(program)} programs cannot be attached by this loader",
            where=program.name,
            help="docs/running.md has those that can; verify takes every type",
        )
    if program.attach is None and its.target is not None:
        raise Problem(
            "nothing says what it is to be attached to",
            where=program.name,
            help=f'attach = "{its.target}" in [tool.bpfline.program."{name or program.name}"], or its section'
            " says it",
        )
    if program.attach is not None and not _can_be_named(program.attach):
        raise Problem(f"nothing has the name {program.attach!a}", where=program.name)
    return its.attach(program, fd, tracefs)


def _can_be_named(name: str) -> bool:
    """Whether the kernel can be given that name."""
    try:
        return b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:
        return False


def described(program: bundle.Program) -> str:
    """The kind of program, as its section says it ("lsm.s", "struct_ops", "xdp/devmap")."""
    # What follows "xdp/" is no target.
    kind = program.section if program.type == "xdp" else program.section.partition("/")[0]
    return kind if kind and not kind.startswith(".") else program.type


def remove_left() -> list[str]:
    """Remove what killed runs left attached; what was done or could not be, a line for each."""
    return outliving.remove_left(_REMOVE)
