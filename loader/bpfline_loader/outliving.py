# SPDX-License-Identifier: Apache-2.0
"""What outlives its process: a record of each, so that the next run removes what a killed one left.

A record is a file in FOLDER, locked (flock(2)) for as long as the process that wrote it lives: a process id
could be somebody else's by now. It is written before the thing itself is made, and removed after the thing
is gone, so that no moment is between them in which a kill would leave something unknown.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import bpf
from .errors import KernelError, Problem
from .privileges import raised
from .syscalls import errno_name

FOLDER = Path("/run/bpfline")
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NETNS = Path("/proc/thread-self/ns/net")
_SO_NETNS_COOKIE = 71  # asm-generic/socket.h, Linux 5.14

Remove = Callable[[Mapping[str, Any]], bool]
"""Whether the thing of these details is gone: it was, or it is now. False where it is not for us to remove
(not yet, or not from this network namespace); OSError where the kernel does not."""


@dataclass(frozen=True)
class Record:
    """kind: says who can undo it. words: what it is, for people. details: what it is recognised by."""

    path: Path
    fd: int
    kind: str
    words: str
    details: dict[str, Any]

    def forget(self) -> None:
        """The thing is gone."""
        with raised():
            self.path.unlink()
        os.close(self.fd)

    def leave(self) -> None:
        """The thing is there still: the next run looks at it."""
        os.close(self.fd)


def record(kind: str, words: str, **details: Any) -> Record:
    """Write one, before the thing is made. Problem where that cannot be: then it must not be made."""
    content = {"boot": boot(), "kind": kind, "words": words, "details": details}
    with raised():
        try:
            FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd, name = tempfile.mkstemp(suffix=".tmp", dir=FOLDER)
            fcntl.flock(fd, fcntl.LOCK_EX)
            os.write(fd, json.dumps(content).encode())
            path = Path(name).with_suffix(".json")
            Path(name).rename(path)
        except OSError as error:
            raise Problem(
                f"cannot be written: {errno_name(error.errno or 0)}",
                where=FOLDER,
                help=f"{words} would outlive a run that is killed, so it is not made without a record",
            ) from None
    return Record(path, fd, kind, words, details)


def undo(record: Record, remove: Remove) -> bool:
    """Whether what record is about is gone now. KernelError where the kernel does not remove it; the next
    run then tries again, as when it is not for us to remove."""
    with raised():
        try:
            gone = remove(record.details)
        except OSError as error:
            record.leave()
            name = errno_name(error.errno or 0)
            raise KernelError(
                f"cannot be removed: {error.strerror or name}",
                errno=name,
                where=record.words,
                help="the next run tries it again",
            ) from None
    if gone:
        record.forget()
    else:
        record.leave()
    return gone


def remove_left(ways: Mapping[str, Remove]) -> list[str]:
    """Remove what ended processes left, in the order of ways; what was done or could not be, in lines."""
    said = []
    found = []
    with raised():
        paths = sorted(FOLDER.glob("*.json"))
    for path in paths:
        try:
            with raised():
                taken = _taken(path)
        except Problem as problem:
            said.append(str(problem))
            continue
        if taken is None:
            continue
        if taken.kind in ways:
            found.append(taken)
        else:
            taken.leave()
            said.append(f"{path}: left alone: another bpfline's record of {taken.words}")
    for record in sorted(found, key=lambda each: list(ways).index(each.kind)):
        try:
            if _program_is_gone(record):
                record.forget()
            elif undo(record, ways[record.kind]):
                said.append(f"removed what an earlier run had left: {record.words}")
        except Problem as problem:
            said.append(str(problem))
    return said


def _taken(path: Path) -> Record | None:
    """The record at path, locked for us; None where its process lives, or nothing is left of it."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None  # another run was faster, or it is not ours to read
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        content = json.loads(path.read_bytes())
        if content["boot"] == boot():
            return Record(path, fd, str(content["kind"]), str(content["words"]), dict(content["details"]))
        path.unlink()
    except (BlockingIOError, FileNotFoundError):
        pass  # its process lives; or another run was faster
    except (ValueError, KeyError, TypeError):
        os.close(fd)
        raise Problem("is no record of bpfline's", where=path, help="look at it, and remove it") from None
    os.close(fd)
    return None


def _program_is_gone(record: Record) -> bool:
    """Whether nothing holds its program any more, in whichever network namespace: ids are not given
    twice (idr_alloc_cyclic in bpf_prog_alloc_id)."""
    if "program" not in record.details:
        return False
    try:
        with raised():
            os.close(bpf.prog_fd(record.details["program"]))
    except FileNotFoundError:
        return True
    except OSError:
        pass
    return False


def boot() -> str:
    """What no other boot of this machine has: program ids and interface indices begin anew."""
    return _BOOT.read_text().strip()


def network() -> str:
    """The calling thread's network namespace: the cookie that no other one gets until the machine boots,
    or before Linux 5.14 its inode number."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as any_socket:
        try:
            cookie = any_socket.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8)
            return f"cookie {int.from_bytes(cookie, 'little')}"
        except OSError:
            return f"inode {_NETNS.stat().st_ino}"
