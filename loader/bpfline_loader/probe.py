# SPDX-License-Identifier: Apache-2.0
"""Whether this machine can do what a run needs: each thing is tried once, and nothing stays."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass

from . import bpf, hints, load, perf, privileges, tracefs
from .bundle import Program
from .errors import KernelError, Problem
from .syscalls import errno_name

TRACEPOINT = "syscalls/sys_enter_execve"

# r0 = 0; exit: what every kernel accepts of everybody who may load.
_INSNS = struct.pack("=BBhi", 0xB7, 0, 0, 0) + struct.pack("=BBhi", 0x95, 0, 0, 0)


@dataclass(frozen=True)
class Tracing:
    """path: where tracefs is mounted, None where only a mount of our own reaches it. on: whether the
    kernel records lines now (tracing_on). id: TRACEPOINT's number on this kernel."""

    path: str | None
    on: bool
    id: int


def program() -> bpf.ProgInfo:
    """Load a program of two instructions and let it go. Problem where the kernel does not take it."""
    smallest = Program("bpfline_probe", ".text", "tracepoint", TRACEPOINT, _INSNS)
    attempt = load.load(smallest, "GPL", mode="none")
    if attempt.fd is None or attempt.info is None:
        raise Problem(attempt.message, where="bpfline_probe")
    os.close(attempt.fd)
    return attempt.info


def tracing() -> Tracing:
    """What tracefs says of itself; Problem where it cannot be reached or read."""
    with tracefs.found() as files:
        number = tracefs.tracepoint_id(files, TRACEPOINT)
        try:
            on = files.read_text("tracing_on").strip() != "0"
        except OSError as error:
            name = errno_name(error.errno or 0)
            raise Problem(f"cannot be read: {name}", where=files.where("tracing_on")) from None
        return Tracing(files.path, on, number)


def perf_event(tracepoint_id: int) -> None:
    """Open an event on a tracepoint, for every process, and close it; KernelError where refused."""
    with privileges.raised():
        try:
            event = perf.open_event(perf.PERF_TYPE_TRACEPOINT, tracepoint_id, cpu=perf.first_online_cpu())
        except OSError as error:
            name = errno_name(error.errno or 0)
            raise KernelError(
                f"{hints.PERF}: {name}", errno=name, where=TRACEPOINT, help=hints.explain(name, hints.PERF)
            ) from None
    os.close(event)
