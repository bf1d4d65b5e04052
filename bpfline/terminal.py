# SPDX-License-Identifier: Apache-2.0
"""What people read on standard error: colours where they are wanted, other tools' bytes untouched."""

from __future__ import annotations

import os
import re
import select
import sys
import threading
from contextlib import suppress
from io import UnsupportedOperation
from typing import TextIO

# CSI sequences (ECMA-48): the colours that clang writes.
_COLOURS = re.compile(rb"\x1b\[[0-9;]*[A-Za-z]")

_CLEAR = b"\r\x1b[K"  # EL: what stands on the line

_one_at_a_time = threading.Lock()
_status = b""  # the line that show_status() left on the terminal


def in_colour(stream: TextIO | None = None) -> bool:
    """NO_COLOR, then FORCE_COLOR, then whether stream (standard error) is a terminal that has colours."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return (stream or sys.stderr).isatty() and os.environ.get("TERM") != "dumb"


def say(text: str) -> None:
    """One message, with its newline, never mixed with another thread's."""
    say_bytes((text + "\n").encode(errors="backslashreplace"))


def say_bytes(words: bytes) -> None:
    """A tool's own words as it wrote them, without the colours where nobody sees them."""
    if not words:
        return
    if not in_colour():
        words = without_colours(words)
    with _one_at_a_time:
        try:
            sys.stderr.flush()
            _write(sys.stderr.fileno(), _CLEAR + words + _status if _status else words)
        except UnsupportedOperation:  # something in Python took the place of standard error
            sys.stderr.write(words.decode(errors="replace"))
        except OSError:
            pass  # nobody reads it: no reason not to do the work


def show_status(text: str) -> None:
    """A line on the terminal, in place of the one before and below all that is said; "" for none."""
    global _status
    with _one_at_a_time:
        before, _status = _status, text.encode(errors="backslashreplace")
        if before or _status:
            with suppress(OSError, UnsupportedOperation):
                columns = (os.get_terminal_size(sys.stderr.fileno()).columns or 80) - 1
                _status = text[:columns].encode(errors="backslashreplace")
                _write(sys.stderr.fileno(), _CLEAR + _status)


def without_colours(words: bytes) -> bytes:
    return _COLOURS.sub(b"", words)


def _write(handle: int, words: bytes) -> None:
    while words:
        try:
            words = words[os.write(handle, words) :]
        except BlockingIOError:  # some CI systems hand over a standard error that does not block
            select.select([], [handle], [])
