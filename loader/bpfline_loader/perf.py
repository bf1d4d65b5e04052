# SPDX-License-Identifier: Apache-2.0
"""Perf events: perf_event_open(2) and the ioctls that bind a program to one."""

from __future__ import annotations

import ctypes
import fcntl
from pathlib import Path

from .syscalls import syscall

ONLINE = Path("/sys/devices/system/cpu/online")
_MAX_SAMPLE_RATE = Path("/proc/sys/kernel/perf_event_max_sample_rate")

# linux/perf_event.h
PERF_TYPE_SOFTWARE = 1
PERF_TYPE_TRACEPOINT = 2
PERF_COUNT_SW_CPU_CLOCK = 0
_PERF_FLAG_FD_CLOEXEC = 8
_EVERY_PROCESS = -1
_NO_GROUP = -1

# _IO('$', n) and _IOW('$', 8, __u32): the same on every architecture of syscalls.NUMBERS, which all
# take asm-generic/ioctl.h.
ENABLE = 0x2400
RESET = 0x2403
SET_BPF = 0x40042408


class Attr(ctypes.Structure):
    """struct perf_event_attr as far as PERF_ATTR_SIZE_VER1 (72 bytes, Linux 2.6.33)."""

    _fields_ = [
        ("type", ctypes.c_uint32),
        ("size", ctypes.c_uint32),
        ("config", ctypes.c_uint64),
        ("sample_period", ctypes.c_uint64),  # a union of sample_period and sample_freq
        ("sample_type", ctypes.c_uint64),
        ("read_format", ctypes.c_uint64),
        # Of 64 flags; ctypes, as C, puts the first at the other end where the byte order is big.
        ("disabled", ctypes.c_uint64, 1),
        ("others", ctypes.c_uint64, 9),
        ("freq", ctypes.c_uint64, 1),
        ("wakeup_events", ctypes.c_uint32),
        ("bp_type", ctypes.c_uint32),
        ("config1", ctypes.c_uint64),
        ("config2", ctypes.c_uint64),
    ]


def open_event(kind: int, config: int, *, cpu: int, **more: int) -> int:
    """A disabled event of type kind for every process on one processor, close-on-exec; OSError.

    more: other fields of Attr.
    """
    attr = Attr(type=kind, size=ctypes.sizeof(Attr), config=config, disabled=1, **more)
    return syscall(
        "perf_event_open", ctypes.byref(attr), _EVERY_PROCESS, cpu, _NO_GROUP, _PERF_FLAG_FD_CLOEXEC
    )


def set_bpf(event: int, program: int) -> None:
    """Have the event run the program; OSError."""
    fcntl.ioctl(event, SET_BPF, program)


def enable(event: int) -> None:
    """Start the event's counter at zero; OSError."""
    fcntl.ioctl(event, RESET, 0)
    fcntl.ioctl(event, ENABLE, 0)


def online_cpus() -> list[int]:
    """The numbers in "0-3,8-11" (cpu_online_mask)."""
    ranges = (part.split("-") for part in ONLINE.read_text().strip().split(","))
    return [cpu for ends in ranges for cpu in range(int(ends[0]), int(ends[-1]) + 1)]


def first_online_cpu() -> int:
    """The lowest of them."""
    return online_cpus()[0]


def max_sample_rate() -> int:
    """Samples a second that the kernel takes at most."""
    return int(_MAX_SAMPLE_RATE.read_text())
