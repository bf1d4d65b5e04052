# SPDX-License-Identifier: Apache-2.0
"""An attachment: one loaded program, bound to what it watches."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Attachment:
    """Held by file descriptors alone, so that the kernel undoes it when they close, however we end.

    target: what it is bound to, in words ("tracepoint syscalls/sys_enter_execve").
    """

    target: str
    fds: tuple[int, ...]

    def close(self) -> None:
        """Detach."""
        for fd in self.fds:
            os.close(fd)
