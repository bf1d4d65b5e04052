# SPDX-License-Identifier: Apache-2.0
"""trace_pipe: the lines that programs print with bpf_trace_printk, each read by one reader only."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .errors import Problem, printable
from .privileges import raised
from .syscalls import errno_name
from .tracefs import Tracefs

NAME = "trace_pipe"
CHUNK = 1 << 16  # more than one read(2) ever gives: the kernel fills a struct trace_seq (a page or two)

# A line of an event: TASK-PID (TGID) [CPU] FLAGS SECONDS: EVENT: TEXT (print_trace_fmt in trace.c).
# The group with the TGID and the flags are options; a task's name can hold anything but has 15 bytes.
_EVENT = re.compile(
    rb" *.{1,16}-\d+ +(?:\([ \d-]+\) )?\[\d{3,}\] (?:\S+ +)?\d+(?:\.\d+)?: (\S+): ", re.DOTALL
)
# Before commit ac5a72ea5c89 (in v5.9) the event's place held an address, 0 or 1.
_PRINTK = re.compile(rb"bpf_trace_printk|(?:0x0*)?[01]")
_LOST = re.compile(rb"CPU:\d+ \[LOST \d+ EVENTS\]")


@dataclass(frozen=True)
class Line:
    """One line, ready for a terminal. ours: a program printed it; else another tool's trace event."""

    text: str
    ours: bool


class TracePipe:
    """An open trace_pipe. It never blocks: poll(2) its fd."""

    def __init__(self, fd: int):
        self.fd = fd
        self._partial = b""
        self._after_ours = False  # whether a line that is no event's first belongs to a program's
        self._at_start = False  # and whether it is the first such

    def read(self) -> list[Line] | None:
        """The lines that one read gives, perhaps none; None where nothing is there to be read."""
        data = self._read()
        if not data:
            return None
        *whole, self._partial = (self._partial + data).split(b"\n")
        return [line for line in map(self._line, whole) if line is not None]

    def pass_over(self, seconds: float) -> int:
        """Read what stands there already, for so long at most. How many lines that was."""
        lines = 0
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            data = self._read()
            if not data:
                break
            lines += data.count(b"\n")
        return lines

    def _read(self) -> bytes:
        try:
            return os.read(self.fd, CHUNK)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise Problem(f"cannot be read: {errno_name(error.errno or 0)}", where=NAME) from None

    def _line(self, line: bytes) -> Line | None:
        event = _EVENT.match(line)
        if event:
            self._after_ours = self._at_start = _PRINTK.fullmatch(event[1]) is not None
        elif _LOST.match(line):
            self._after_ours = self._at_start = False
        else:
            # The kernel ends each text with a newline, so that one whose format ends with a newline
            # of its own, as kernels before 5.9 wanted it, is followed by an empty line.
            doubled = self._at_start and not line
            self._at_start = False
            if doubled:
                return None
        return Line(shown(line), self._after_ours)


def shown(line: bytes) -> str:
    """line as text that cannot drive the terminal: control characters but the tab as \\xNN."""
    return "\t".join(map(printable, line.decode(errors="replace").split("\t")))


@contextmanager
def reader(tracefs: Tracefs) -> Iterator[TracePipe]:
    """trace_pipe for this process alone. Problem with the holder's name where somebody else reads it."""
    try:
        fd = tracefs.open(NAME, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise held(tracefs) from None
        raise Problem(
            f"cannot be opened: {errno_name(error.errno or 0)}",
            where=tracefs.where(NAME),
            help="run as root; under lockdown=confidentiality the kernel shows tracefs to nobody",
        ) from None
    try:
        if not _kernel_keeps_others_out(tracefs):
            claim(fd, tracefs)
        yield TracePipe(fd)
    finally:
        os.close(fd)


def _kernel_keeps_others_out(tracefs: Tracefs) -> bool:
    """Whether the kernel refuses a second reader, as it does since commit c2489bb7e6be (in v6.6)."""
    try:
        os.close(tracefs.open(NAME, os.O_RDONLY | os.O_NONBLOCK))
    except OSError as error:
        return error.errno == errno.EBUSY
    return False


def claim(fd: int, tracefs: Tracefs) -> None:
    """On a kernel that shares the lines out among all readers: Problem if fd's file has another one.

    A second run is kept out by a lock on the file itself, which goes with the file descriptor. Other
    tools take no lock; they are looked for.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise held(tracefs) from None
    if holders(os.fstat(fd))[0]:
        raise held(tracefs)


def held(tracefs: Tracefs) -> Problem:
    """What to tell the user when another process reads trace_pipe."""
    with raised():
        status = os.stat(NAME, dir_fd=tracefs.fd)
    others, complete = holders(status)
    if others:
        who = "by " + ", ".join(f"{name} (pid {pid})" for pid, name in others)
        remedy = "end it, or wait until it has ended"
    elif complete:
        who = "by a process that /proc does not show here"
        remedy = "look for it outside of this container"
    else:
        who = "by a process that this one may not look into"
        remedy = "not all of /proc/*/fd could be read; where it can: ls -l /proc/*/fd | grep trace_pipe"
    return Problem(f"is being read {who}, and it has one reader only", where=tracefs.where(NAME), help=remedy)


def holders(status: os.stat_result) -> tuple[list[tuple[int, str]], bool]:
    """Which other processes have the trace_pipe of this status open: pid and name; if all were seen.

    A processor's own trace_pipe in per_cpu/ counts too: while one is open, the kernel keeps the whole
    from being opened. That of an instance is another buffer's. The path of a file that was opened
    through a detached mount is bare ("/trace_pipe"), so the file system's device number tells.
    """
    found = []
    complete = True
    with raised():
        for process in Path("/proc").iterdir():
            if not process.name.isdigit() or int(process.name) == os.getpid():
                continue
            try:
                if any(_is_trace_pipe(fd, status.st_dev) for fd in (process / "fd").iterdir()):
                    found.append((int(process.name), (process / "comm").read_text(errors="replace").strip()))
            except PermissionError:
                complete = complete and _has_ended(process)
            except OSError:
                pass  # it has ended since
    return sorted(found), complete


def _has_ended(process: Path) -> bool:
    """Whether it is a zombie, which holds nothing, and whose fd/ nobody may read (proc(5))."""
    try:
        return re.search(r"^State:\s+Z", (process / "status").read_text(errors="replace"), re.M) is not None
    except OSError:
        return True


def _is_trace_pipe(fd: Path, device: int) -> bool:
    try:
        target = os.readlink(fd)  # noqa: PTH115 - Path.readlink makes a path of "pipe:[1]" as well
        # Only then stat(2), which can hang on a network file system.
        return (
            target.endswith("/" + NAME)
            and not re.search(r"/instances/[^/]+/(per_cpu/cpu\d+/)?trace_pipe$", target)
            and fd.stat().st_dev == device
        )
    except FileNotFoundError:
        return False  # closed since
