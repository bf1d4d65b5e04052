# SPDX-License-Identifier: Apache-2.0
"""The system calls that Python's standard library does not have, through ctypes."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
from typing import Any

from .errors import Problem

# asm/unistd.h of each architecture; aarch64 and riscv64 share asm-generic/unistd.h.
# From 424 (pidfd_send_signal) on, the numbers are the same everywhere.
_SINCE_424 = {"fsopen": 430, "fsconfig": 431, "fsmount": 432}
_GENERIC = {
    "bpf": 280, "perf_event_open": 241, "setresuid": 147, "setresgid": 149,
    "mount": 40, "unshare": 97, **_SINCE_424,
}  # fmt: skip
NUMBERS: dict[str, dict[str, int]] = {
    "x86_64": {
        "bpf": 321, "perf_event_open": 298, "setresuid": 117, "setresgid": 119,
        "mount": 165, "unshare": 272, **_SINCE_424,
    },
    "aarch64": _GENERIC,
    "riscv64": _GENERIC,
    "s390x": {
        "bpf": 351, "perf_event_open": 331, "setresuid": 208, "setresgid": 210,
        "mount": 21, "unshare": 303, **_SINCE_424,
    },
}  # fmt: skip

# In no libc's table, but kernels return it (include/linux/errno.h).
ENOTSUPP = 524

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def errno_name(number: int) -> str:
    """13 -> "EACCES"; a number that no table has is given as it is ("errno 999")."""
    if number == ENOTSUPP:
        return "ENOTSUPP"
    return errno.errorcode.get(number, f"errno {number}")


def syscall(name: str, *args: Any) -> int:
    """The result of system call name; OSError with its errno where it fails.

    args are ints, bytes (a char *), None (NULL) or ctypes pointers.
    """
    numbers = NUMBERS.get(platform.machine())
    if numbers is None:
        raise Problem(
            f"system call numbers of {platform.machine()} are not known",
            help="known are " + ", ".join(NUMBERS) + "; add its numbers to bpfline_loader/syscalls.py",
        )
    words = [ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args]
    result: int = _libc.syscall(ctypes.c_long(numbers[name]), *words)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
