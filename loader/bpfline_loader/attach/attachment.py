# SPDX-License-Identifier: Apache-2.0
"""An attachment: one loaded program, bound to what it watches."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from .. import hints
from ..errors import KernelError
from ..outliving import Record, Remove, undo
from ..syscalls import errno_name


@dataclass(frozen=True)
class Attachment:
    """Held by file descriptors, so that the kernel undoes it when they close, however we end.

    target: what it is bound to, in words ("tracepoint syscalls/sys_enter_execve"). fds: in the order in
    which they are closed. undo: detaches what does not hang on them (the old ways, which are recorded).
    text: what an iterator said, for it has said all when it is attached.
    """

    target: str
    fds: tuple[int, ...] = ()
    undo: Callable[[], object] | None = None
    text: bytes = b""

    def close(self) -> None:
        """Detach. KernelError where what is recorded cannot be undone."""
        for fd in self.fds:
            os.close(fd)
        if self.undo is not None:
            self.undo()


def outliving_us(record: Record, make: Callable[[], object], remove: Remove) -> Attachment:
    """What make attaches, and remove detaches by its record: it hangs on nothing of ours. OSError where the
    kernel does not attach."""
    try:
        make()
    except OSError:
        record.forget()
        raise
    return Attachment(record.words, undo=lambda: undo(record, remove))


def refused(target: str, error: OSError, doing: str, help: str = "") -> KernelError:  # noqa: A002
    """What is said when the kernel does not attach. doing: what hints.explain() takes."""
    number = error.errno or 0
    name = errno_name(number)
    words = error.strerror if error.strerror != os.strerror(number) else ""  # rtnetlink's own
    return KernelError(
        f"cannot be attached to ({doing}: {name})",
        errno=name,
        where=target,
        help=help or words or hints.explain(name, doing),
    )
