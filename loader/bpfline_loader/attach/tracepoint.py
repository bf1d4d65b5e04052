# SPDX-License-Identifier: Apache-2.0
"""Attachment of BPF_PROG_TYPE_TRACEPOINT: one perf event of type TRACEPOINT."""

from __future__ import annotations

from .. import hints, perf
from ..bundle import Program
from ..privileges import raised
from ..tracefs import Tracefs, tracepoint_id
from . import perf_link
from .attachment import Attachment, refused

TARGET = "syscalls/sys_enter_execve"


def attach(program: Program, fd: int, tracefs: Tracefs) -> Attachment:
    """Run the program at its tracepoint ("syscalls/sys_enter_execve") on every processor.

    One event on one processor does that. The program is put on a list that belongs to the tracepoint,
    not to the event (perf_event_attach_bpf_prog in kernel/trace/bpf_trace.c: tp_event->prog_array), and
    the tracepoint runs its list before it looks at the events of the processor it is on
    (perf_syscall_enter in kernel/trace/trace_syscalls.c, perf_trace_run_bpf_submit in
    kernel/events/core.c). A second event with the same program is refused with EEXIST
    (bpf_prog_array_copy), and the same program loaded twice would run twice. It goes on when that
    processor is taken offline: the event then stops counting, and keeps its program.
    """
    assert program.attach is not None
    number = tracepoint_id(tracefs, program.attach)
    with raised():
        try:
            event = perf.open_event(perf.PERF_TYPE_TRACEPOINT, number, cpu=perf.first_online_cpu())
        except OSError as error:
            raise refused(program.attach, error, hints.PERF) from None
        try:
            fds = perf_link.bind(event, fd)
        except OSError as error:
            raise refused(program.attach, error, hints.ATTACH) from None
    return Attachment(f"tracepoint {program.attach}", fds)
