# SPDX-License-Identifier: Apache-2.0
"""Problem: what failed, where, and what to do, in words for the person at the terminal."""

from __future__ import annotations

import re

# Exit statuses, on top of doit's own (docs/exit-status.md).
OK = 0
REFUSED = 1  # a source did not compile, a program was refused, a test failed
UNABLE = 2  # bpfline could not do its work: no clang, no privilege, an unreadable object
USAGE = 3  # the command line or the settings are wrong
INTERRUPTED = 130
CLOSED_PIPE = 141  # nobody reads our results: what a shell gives a process that SIGPIPE ended

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def printable(text: object) -> str:
    """text on one line, with control characters as \\xNN: names and logs come from others.

    A byte of a file's name that is not UTF-8 (a surrogate, PEP 383) is shown as that byte.
    """
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]) & 0xFF:02x}", str(text))


class Problem(Exception):
    """Something the user can act on; never shown as a traceback.

    what: one clause, without a full stop. where: file, file:line:col or object, if there is one.
    help: what to do. status: the exit status that this problem asks for.
    """

    status = UNABLE

    def __init__(self, what: str, *, where: object = None, help: str = "", status: int | None = None):  # noqa: A002
        super().__init__(what)
        self.what = what
        self.where = None if where is None else str(where)
        self.help = help
        if status is not None:
            self.status = status

    def __str__(self) -> str:
        where = "" if self.where is None else printable(self.where) + ": "
        text = f"{where}error: {printable(self.what)}"
        return text + (f"\n  help: {printable(self.help)}" if self.help else "")


class BundleError(Problem):
    """A bundle that is missing, half-written or of another schema."""


class KernelError(Problem):
    """A system call failed for a reason that is not the program's: errno is its name."""

    def __init__(self, what: str, *, errno: str, where: object = None, help: str = ""):  # noqa: A002
        super().__init__(what, where=where, help=help)
        self.errno = errno
