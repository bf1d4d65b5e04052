# SPDX-License-Identifier: Apache-2.0
"""Loading a bundle's BTF into the kernel: whole, or as much of it as this kernel knows."""

from __future__ import annotations

import errno
import mmap

from . import bpf_btf, features, hints, log
from .bpf import Answer
from .btf_sanitize import sanitized
from .errors import KernelError
from .syscalls import errno_name

_LEVEL = 1  # the only one that BPF_BTF_LOAD has
_NO_PRIVILEGE = frozenset((errno.EPERM, errno.EACCES))


def load(data: bytes, object_name: str) -> tuple[int, str]:
    """The fd of the BTF, which the caller closes, and a note where something was left out.

    KernelError where the kernel refuses it; it then says which type and why.
    """
    answer = bpf_btf.btf_load(data)
    note = ""
    if answer.fd is None and answer.errno not in _NO_PRIVILEGE:
        lacking = features.unsupported_btf()
        less = sanitized(data, lacking) if lacking else data
        if less != data:
            data = less
            answer = bpf_btf.btf_load(data)
            note = f"this kernel knows no BTF of {', '.join(sorted(lacking))}: that much was left out"
    if answer.fd is not None:
        return answer.fd, note
    name = errno_name(answer.errno)
    if answer.errno in _NO_PRIVILEGE:
        raise KernelError(f"BTF: {name}", errno=name, where=object_name, help=hints.explain(name, hints.LOAD))
    raise KernelError(
        f"the kernel refuses the BTF: {_last_line(data) or name}", errno=name, where=object_name
    )


def _last_line(data: bytes) -> str:
    """What the kernel says at last of BTF that it refuses: "[4] DATASEC .data size=0 vlen=1 size == 0"."""

    def once(level: int, memory: mmap.mmap | None) -> Answer:
        return bpf_btf.btf_load(data, log_level=level, log=memory)

    words = (log.capture(once, _LEVEL).log or b"").strip().split(b"\n")
    return " ".join(words[-1].decode(errors="replace").split())
