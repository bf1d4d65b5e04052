# SPDX-License-Identifier: Apache-2.0
"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import Problem


def write_whole(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Make path hold data: a temporary name beside it, then rename(2). Makes the folders above it.

    A failure leaves what stood there before and no temporary file; it is raised as a Problem.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # As tempfile.mkstemp(), whose import takes 4 ms and whose call five times as long.
        name = f"{path.parent}/.{os.urandom(8).hex()}.tmp"
        handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        temporary = name
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, mode)  # noqa: PTH101 - the name is a string here
        os.rename(temporary, path)  # noqa: PTH104
    except OSError as error:
        raise Problem(f"cannot be written: {error.strerror}", where=path, help=_remedy(error)) from None
    finally:
        if temporary is not None and os.path.lexists(temporary):
            os.unlink(temporary)  # noqa: PTH108


def _remedy(error: OSError) -> str:
    import errno

    return {
        errno.ENOSPC: "free some space; what was there before is as it was",
        errno.EDQUOT: "the quota is used up; what was there before is as it was",
        errno.EROFS: "the file system is mounted read-only",
        errno.EACCES: "the folder belongs to somebody else: check its owner and mode",
    }.get(error.errno or 0, "")
