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

# Besides those that a terminal obeys, what Unicode has to turn the direction of text, to break lines and
# to be unseen (Cf, Zl, Zp): a name must look like what it is.
_CONTROL = re.compile(
    r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    r"\ufff9-\ufffb\U000e0000-\U000e0fff]"
)


def printable(text: object) -> str:
    """text on one line, with control characters as \\xNN or \\uNNNN: names and logs come from others.

    A byte of a file's name that is not UTF-8 (a surrogate, PEP 383) is shown as that byte.
    """
    return _CONTROL.sub(_escaped, str(text))


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x100 or 0xD800 <= code < 0xE000:
        return f"\\x{code & 0xFF:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


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


class Lacking(KernelError):
    """The running kernel has not what a program or a map needs: no fault of theirs."""
