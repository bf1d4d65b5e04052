# SPDX-License-Identifier: Apache-2.0
"""Attaching: one module for each family of program types, each with attach(fd, target, tracefs)."""

from __future__ import annotations

from .. import bundle
from ..errors import Problem
from ..tracefs import Tracefs
from . import tracepoint
from .attachment import Attachment

__all__ = ["Attachment", "attach"]

FAMILIES = {"tracepoint": tracepoint.attach}


def attach(program: bundle.Program, fd: int, tracefs: Tracefs) -> Attachment:
    """Bind the program that was loaded as fd to what its bundle says. Problem where that cannot be."""
    if program.type not in FAMILIES:
        raise Problem(
            f"programs of type {program.type} cannot be attached by this loader",
            where=program.name,
            help=f"run attaches {', '.join(FAMILIES)}; verify takes every type",
        )
    if program.attach is None:
        raise Problem(
            "nothing says what it is to be attached to",
            where=program.name,
            help=f"name its {program.type}, in its section's name or in the settings of its object"
            ' (attach = "syscalls/sys_enter_execve")',
        )
    return FAMILIES[program.type](fd, program.attach, tracefs)
