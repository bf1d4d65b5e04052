# SPDX-License-Identifier: Apache-2.0
"""Binding a program to a perf event: through a link where the kernel has them, else by ioctl(2)."""

from __future__ import annotations

import errno
import functools
import os
import struct

from .. import bpf, perf
from ..bpf_link import link_create

_PERF_EVENT = bpf.ATTACH_TYPES["perf_event"]
_MOV_R0_0_EXIT = struct.pack("=BBhi", 0xB7, 0, 0, 0) + struct.pack("=BBhi", 0x95, 0, 0, 0)


def bind(event: int, program: int) -> tuple[int, ...]:
    """The fds that hold the program at the event, in the order in which they are to be closed: libbpf
    closes the link before its event. Takes event, also when it fails; OSError."""
    return (with_link if has_links() else without_link)(event, program)


def with_link(event: int, program: int) -> tuple[int, ...]:
    """Linux 5.15 (commit b89fbfbb854c). The event is still the caller's to enable."""
    try:
        link = link_create(program, event, _PERF_EVENT)
    except OSError:
        os.close(event)
        raise
    try:
        perf.enable(event)
    except OSError:
        os.close(link)
        os.close(event)
        raise
    return link, event


def without_link(event: int, program: int) -> tuple[int, ...]:
    """PERF_EVENT_IOC_SET_BPF: the program goes with the event."""
    try:
        perf.set_bpf(event, program)
        perf.enable(event)
    except OSError:
        os.close(event)
        raise
    return (event,)


@functools.lru_cache(maxsize=1)
def has_links() -> bool:
    """Whether perf events take links: asked with no event at all, which such a kernel finds to be none
    (EBADF), and an older one does not even look for (EINVAL). As libbpf's probe_perf_link."""
    program = bpf.prog_load(bpf.PROG_TYPES["tracepoint"], _MOV_R0_0_EXIT, "GPL").fd
    if program is None:
        return False
    try:
        link_create(program, 0xFFFFFFFF, _PERF_EVENT)  # target_fd -1
    except OSError as error:
        return error.errno == errno.EBADF
    finally:
        os.close(program)
    raise AssertionError("the kernel attached a program to no event")
