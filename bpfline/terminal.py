# SPDX-License-Identifier: Apache-2.0
"""What people read on standard error: colours where they are wanted, other tools' bytes untouched."""

from __future__ import annotations

import os
import re
import select
import sys
import threading
from io import UnsupportedOperation
from typing import TextIO

# CSI sequences (ECMA-48): the colours that clang writes.
_COLOURS = re.compile(rb"\x1b\[[0-9;]*[A-Za-z]")

_one_at_a_time = threading.Lock()


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
            _write(sys.stderr.fileno(), words)
        except UnsupportedOperation:  # something in Python took the place of standard error
            sys.stderr.write(words.decode(errors="replace"))
        except OSError:
            pass  # nobody reads it: no reason not to do the work


def without_colours(words: bytes) -> bytes:
    return _COLOURS.sub(b"", words)


def _write(handle: int, words: bytes) -> None:
    while words:
        try:
            words = words[os.write(handle, words) :]
        except BlockingIOError:  # some CI systems hand over a standard error that does not block
            select.select([], [handle], [])
