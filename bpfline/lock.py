# SPDX-License-Identifier: Apache-2.0
"""One build at a time in a project: a lock that no `rm -rf build` removes and no crash leaves behind."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import printable


@contextmanager
def project_lock(root: Path, waiting: Callable[[str], None]) -> Iterator[None]:
    """Hold flock(2) on the project's folder itself; waiting(holder) is called before a wait."""
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting(_holder(handle))
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as error:
            # Some network file systems cannot lock a folder: then nothing keeps two builds apart.
            if error.errno not in (errno.ENOLCK, errno.EBADF, errno.EINVAL, errno.ENOTSUP):
                raise
        yield
    finally:
        os.close(handle)


def _holder(handle: int) -> str:
    """Who holds the lock, from /proc/locks: "doit build (pid 12)"."""
    status = os.fstat(handle)
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    try:
        found = re.search(
            rf"FLOCK +\S+ +WRITE (\d+) {device}:{status.st_ino} ", Path("/proc/locks").read_text()
        )
        if found:
            words = Path(f"/proc/{found[1]}/cmdline").read_bytes().decode(errors="replace").split("\0")
            return f"{printable(shlex.join(filter(None, words)))} (pid {found[1]})"
    except OSError:
        pass
    return "another process"
