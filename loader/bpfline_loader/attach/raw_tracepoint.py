# SPDX-License-Identifier: Apache-2.0
"""Attachment of raw tracepoints: raw_tp by name, tp_btf to what the program was loaded for."""

from __future__ import annotations

import difflib
import errno

from .. import hints
from ..bpf_link import raw_tracepoint_open
from ..bundle import Program
from ..errors import KernelError
from ..privileges import raised
from ..tracefs import Tracefs
from .attachment import Attachment, refused

TARGET = "sched_switch"


def attach(program: Program, fd: int, tracefs: Tracefs) -> Attachment:
    """Run the program at its raw tracepoint ("sched_switch"), through what has always been a link."""
    assert program.attach is not None
    name = program.attach if program.attach_btf is None else None
    with raised():
        try:
            link = raw_tracepoint_open(fd, name)
        except OSError as error:
            if error.errno == errno.ENOENT and name is not None:
                raise _unknown(name, tracefs) from None
            raise refused(program.attach, error, hints.ATTACH) from None
    return Attachment(f"raw tracepoint {program.attach}", (link,))


def _unknown(name: str, tracefs: Tracefs) -> KernelError:
    events = tracefs.read_text("available_events").split()
    near = difflib.get_close_matches(name, {event.rpartition(":")[2] for event in events})
    return KernelError(
        "this kernel has no such raw tracepoint",
        errno="ENOENT",
        where=name,
        help=f"did you mean {', '.join(near)}?"
        if near
        else "it is the name alone, without its category (sched_switch), and system calls have none but "
        "sys_enter and sys_exit",
    )
