# SPDX-License-Identifier: Apache-2.0
"""Least privilege: work as the project's user, and be root only around the calls that need it.

Under sudo the process lowers itself to the user who called it, so that every file it makes is that
user's and the compiler never runs as root. The saved user id stays root, and a thread that has to
load or attach raises itself for that long.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .syscalls import syscall

_KEEP = -1  # setresuid(2): leave this id as it is


def lower(uid: int, gid: int) -> None:
    """From root to uid and gid for the whole process; raised() can come back from it."""
    try:
        groups = os.getgrouplist(_login(uid), gid)
    except (KeyError, OSError):
        groups = [gid]
    os.setgroups(groups)
    os.setegid(gid)
    os.seteuid(uid)


def _login(uid: int) -> str:
    import pwd

    return pwd.getpwuid(uid).pw_name


def lower_to_owner(folders: Sequence[Path]) -> None:
    """From root to the user whom all of folders belong to, so that what is written there is theirs.

    Nothing where they belong to several or to root, or where that user could not use them, or not read
    this program (a Python below /root, say).
    """
    if os.geteuid() != 0:
        return
    owners = {(status.st_uid, status.st_gid) for status in map(os.stat, filter(Path.is_dir, folders))}
    if len(owners) != 1:
        return
    uid, gid = owners.pop()
    groups = os.getgroups()
    if uid == 0:
        return
    lower(uid, gid)
    usable = (os.access(folder, os.R_OK | os.W_OK | os.X_OK, effective_ids=True) for folder in folders)
    code = (os.access(file, os.R_OK, effective_ids=True) for file in (__file__, os.__file__))
    if not all((*usable, *code)):
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def can_raise() -> bool:
    """Whether this process was lowered from root."""
    return os.geteuid() != 0 and os.getresuid()[2] == 0


@contextmanager
def raised() -> Iterator[None]:
    """Root for the calling thread, if this process was lowered from root; else nothing.

    Credentials belong to a thread (credentials(7)); glibc's setresuid() would change every thread's,
    and another thread's files would become root's, so the system call is made directly.
    """
    if not can_raise():
        yield
        return
    uid, gid = os.geteuid(), os.getegid()
    syscall("setresuid", _KEEP, 0, _KEEP)
    syscall("setresgid", _KEEP, 0, _KEEP)
    try:
        yield
    finally:
        syscall("setresgid", _KEEP, gid, _KEEP)
        syscall("setresuid", _KEEP, uid, _KEEP)
