# SPDX-License-Identifier: Apache-2.0
"""tracefs: the kernel's folder of tracepoints and of the lines that programs print.

Found through /proc/self/mountinfo. Where it is mounted nowhere, as in many containers and small
images, it is reached through a mount that no path leads to: it lasts as long as the file descriptor
that holds it, so that nothing is left behind, not even by SIGKILL.
"""

from __future__ import annotations

import difflib
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .errors import Problem
from .privileges import raised
from .syscalls import errno_name, syscall

MOUNTINFO = Path("/proc/self/mountinfo")
CANONICAL = "/sys/kernel/tracing"
MOUNT_COMMAND = f"mount -t tracefs tracefs {CANONICAL}"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

# linux/mount.h
_FSOPEN_CLOEXEC = _FSMOUNT_CLOEXEC = 1
_FSCONFIG_CMD_CREATE = 6
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000
# linux/sched.h
_CLONE_NEWNS = 0x20000


@dataclass(frozen=True)
class Tracefs:
    """An open tracefs. fd: its root folder. path: where it is mounted, None where it is not."""

    fd: int
    path: str | None

    def where(self, relative: str) -> str:
        """relative as a person would look for it."""
        return f"{self.path or CANONICAL}/{relative}"

    def open(self, relative: str, flags: int = os.O_RDONLY) -> int:
        """A file descriptor of a file below the root, close-on-exec; OSError as open(2) gives it."""
        with raised():  # the root folder's mode is 0700
            return os.open(relative, flags | os.O_CLOEXEC, dir_fd=self.fd)

    def read_text(self, relative: str) -> str:
        """The whole of one file below the root, OSError as open(2) and read(2) give it."""
        with os.fdopen(self.open(relative), "rb") as file, raised():
            return file.read().decode(errors="replace")


@dataclass(frozen=True)
class _Mount:
    device: int
    root: str  # the folder of the file system that is mounted: "/" unless it is a bind mount of a part
    path: str
    kind: str


@contextmanager
def found() -> Iterator[Tracefs]:
    """tracefs, wherever it is mounted, or through a mount of our own that goes with this context.

    A Problem says why where it cannot be reached. A debugfs is tried last: looking up its "tracing"
    mounts a tracefs there for everybody (trace_automount in kernel/trace/trace.c), and it stays.
    """
    fd, path = _open()
    try:
        yield Tracefs(fd, path)
    finally:
        os.close(fd)


def _open() -> tuple[int, str | None]:
    mounts = [mount for mount in mountinfo() if mount.root == "/"]
    refusals = []
    with raised():
        for mount in mounts:
            if mount.kind == "tracefs":
                try:
                    fd = os.open(mount.path, _FOLDER)
                except OSError as error:
                    refusals.append(f"{mount.path}: {errno_name(error.errno or 0)}")
                    continue
                if os.fstat(fd).st_dev == mount.device:
                    return fd, mount.path
                os.close(fd)  # something else is mounted over it
        for way in (detached, from_a_private_namespace):
            try:
                return way(), None
            except OSError as error:
                refusals.append(f"{way.__name__}: {errno_name(error.errno or 0)}")
        for mount in mounts:
            if mount.kind == "debugfs":
                path = f"{mount.path}/tracing"
                try:
                    return os.open(path, _FOLDER), path
                except OSError as error:
                    refusals.append(f"{path}: {errno_name(error.errno or 0)}")
    raise _unreachable(refusals)


def _unreachable(refusals: list[str]) -> Problem:
    what = "tracefs cannot be reached (" + ", ".join(refusals) + ")"
    if any(refusal.endswith(": ENODEV") for refusal in refusals):
        return Problem(
            what, help="this kernel is built without tracing: it needs CONFIG_FTRACE and its events"
        )
    if os.geteuid() != 0 and os.getresuid()[2] != 0:
        return Problem(what, help="run as root (sudo): its folder is root's, and mounting it is too")
    return Problem(
        what,
        help=f"mounting it needs CAP_SYS_ADMIN outside of user namespaces; have it mounted: {MOUNT_COMMAND}"
        " (for a container: on the host, and given to it with -v /sys/kernel/tracing:/sys/kernel/tracing)",
    )


def mountinfo(path: Path = MOUNTINFO) -> list[_Mount]:
    """The mounts that this process sees, as proc_pid_mountinfo(5) describes them, newest first."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise Problem(
            f"cannot be read: {error.strerror}", where=path, help="mount -t proc proc /proc"
        ) from None
    mounts = []
    for line in reversed(lines):
        before, _, after = line.partition(b" - ")
        fields = before.split(b" ")
        major, minor = fields[2].split(b":")
        mounts.append(
            _Mount(
                device=os.makedev(int(major), int(minor)),
                root=_unescaped(fields[3]),
                path=_unescaped(fields[4]),
                kind=_unescaped(after.split(b" ")[0]),
            )
        )
    return mounts


def _unescaped(field: bytes) -> str:
    """Space, tab, newline and backslash stand as octal numbers (mangle() in fs/seq_file.c)."""
    return os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), field))


def detached() -> int:
    """The root of a tracefs that is mounted nowhere, through fsopen(2) (Linux 5.2). OSError if refused."""
    context = syscall("fsopen", b"tracefs", _FSOPEN_CLOEXEC)
    try:
        syscall("fsconfig", context, _FSCONFIG_CMD_CREATE, None, None, 0)
        mount = syscall("fsmount", context, _FSMOUNT_CLOEXEC, 0)
    finally:
        os.close(context)
    try:
        return os.open(".", _FOLDER, dir_fd=mount)  # the mount's own fd is of O_PATH: it cannot be listed
    finally:
        os.close(mount)


def from_a_private_namespace() -> int:
    """The same for older kernels. OSError if refused.

    A mount namespace belongs to a thread. One of our own mounts tracefs where only it can see, opens
    it and ends; its namespace ends with it, and the mount lives on in the open file alone.
    """
    opened: list[int] = []
    failed: list[OSError] = []

    def mount_and_open() -> None:
        try:
            syscall("unshare", _CLONE_NEWNS)
            # Private, or the mount would spread into the namespace that this one was copied from.
            syscall("mount", b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)
            syscall("mount", b"tracefs", b"/proc", b"tracefs", 0, None)  # a folder that we know to exist
            opened.append(os.open("/proc", _FOLDER))
        except OSError as error:
            failed.append(error)

    thread = threading.Thread(target=mount_and_open)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return opened[0]


def tracepoint_id(tracefs: Tracefs, name: str) -> int:
    """The number by which this kernel knows tracepoint name ("syscalls/sys_enter_execve").

    It differs between kernels, so it is always looked up. Problem if there is no such tracepoint.
    """
    if not re.fullmatch(r"[A-Za-z0-9_.:-]+/[A-Za-z0-9_.:-]+", name) or ".." in name:
        raise Problem(
            "is not a tracepoint's name", where=name, help="it is CATEGORY/NAME, as syscalls/sys_enter_execve"
        )
    relative = f"events/{name}/id"
    try:
        return int(tracefs.read_text(relative))
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise Problem(
            f"cannot be read: {errno_name(error.errno or 0)}",
            where=tracefs.where(relative),
            help="run as root; under lockdown=confidentiality the kernel shows tracefs to nobody",
        ) from None
    near = near_matches(tracefs, name)
    raise Problem(
        "this kernel has no such tracepoint",
        where=name,
        help=f"did you mean {', '.join(near)}?" if near else f"they are listed in {tracefs.where('events')}",
    )


def near_matches(tracefs: Tracefs, name: str) -> list[str]:
    """Up to three tracepoints whose names are like name, the nearest first."""
    known = tracefs.read_text("available_events").replace(":", "/").split()
    event = name.rpartition("/")[2]
    moved = [full for full in known if full.rpartition("/")[2] == event]
    return (moved + [near for near in difflib.get_close_matches(name, known) if near not in moved])[:3]
