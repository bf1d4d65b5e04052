# SPDX-License-Identifier: Apache-2.0
"""Attachment of BPF_PROG_TYPE_TRACEPOINT: one perf event of type TRACEPOINT."""

from __future__ import annotations

import os

from .. import hints, perf
from ..errors import KernelError
from ..privileges import raised
from ..syscalls import errno_name
from ..tracefs import Tracefs, tracepoint_id
from .attachment import Attachment


def attach(program_fd: int, target: str, tracefs: Tracefs) -> Attachment:
    """Run the program at tracepoint target ("syscalls/sys_enter_execve") on every processor.

    One event on one processor does that. The program is put on a list that belongs to the tracepoint,
    not to the event (perf_event_attach_bpf_prog in kernel/trace/bpf_trace.c: tp_event->prog_array), and
    the tracepoint runs its list before it looks at the events of the processor it is on
    (perf_syscall_enter in kernel/trace/trace_syscalls.c, perf_trace_run_bpf_submit in
    kernel/events/core.c). A second event with the same program is refused with EEXIST
    (bpf_prog_array_copy), and the same program loaded twice would run twice. It goes on when that
    processor is taken offline: the event then stops counting, and keeps its program.
    """
    number = tracepoint_id(tracefs, target)
    with raised():
        try:
            event = perf.open_event(perf.PERF_TYPE_TRACEPOINT, number, cpu=perf.first_online_cpu())
        except OSError as error:
            raise _refused(target, error, hints.PERF) from None
        try:
            perf.set_bpf(event, program_fd)
            perf.enable(event)
        except OSError as error:
            os.close(event)
            raise _refused(target, error, hints.ATTACH) from None
    return Attachment(f"tracepoint {target}", (event,))


def _refused(target: str, error: OSError, doing: str) -> KernelError:
    name = errno_name(error.errno or 0)
    return KernelError(
        f"cannot be attached to ({doing}: {name})", errno=name, where=target, help=hints.explain(name, doing)
    )
