# SPDX-License-Identifier: Apache-2.0
"""The running kernel: what a verdict depends on besides the program."""

from __future__ import annotations

import functools
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from . import privileges

BTF = Path("/sys/kernel/btf/vmlinux")
_JIT = Path("/proc/sys/net/core")


@dataclass(frozen=True)
class Kernel:
    """release, version: the words of uname -r and uname -v. btf: sha256 of the kernel's own types, or
    None where it has none. jit: the net.core.bpf_jit_* settings; one that cannot be read is None."""

    release: str
    version: str
    machine: str
    btf: str | None
    jit: tuple[tuple[str, str | None], ...]


def running() -> Kernel:
    """The kernel that this process runs on."""
    name = os.uname()
    return Kernel(name.release, name.version, name.machine, _btf(), _jit())


@functools.lru_cache(maxsize=1)
def btf() -> bytes:
    """The kernel's own types, read once: it takes 7 ms. OSError where there are none."""
    return BTF.read_bytes()


@functools.lru_cache(maxsize=1)
def _btf() -> str | None:
    try:
        return hashlib.sha256(btf()).hexdigest()
    except OSError:
        return None


def _jit() -> tuple[tuple[str, str | None], ...]:
    with privileges.raised():  # some are readable by root alone
        return tuple((path.name, _setting(path)) for path in sorted(_JIT.glob("bpf_jit_*")))


def _setting(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
