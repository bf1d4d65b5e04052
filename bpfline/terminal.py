# SPDX-License-Identifier: Apache-2.0
"""What people read on standard error: colours where they are wanted, other tools' bytes untouched."""

from __future__ import annotations

import os
import re
import sys
import threading

# CSI sequences (ECMA-48): the colours that clang writes.
_COLOURS = re.compile(rb"\x1b\[[0-9;]*[A-Za-z]")

_one_at_a_time = threading.Lock()


def in_colour() -> bool:
    """NO_COLOR, then FORCE_COLOR, then whether standard error is a terminal that has colours."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def say(text: str) -> None:
    """One message, with its newline, never mixed with another thread's."""
    say_bytes((text + "\n").encode(errors="backslashreplace"))


def say_bytes(words: bytes) -> None:
    """A tool's own words as it wrote them, without the colours where nobody sees them."""
    if not words:
        return
    if not in_colour():
        words = _COLOURS.sub(b"", words)
    with _one_at_a_time:
        sys.stderr.flush()
        stream = getattr(sys.stderr, "buffer", None)
        if stream is None:
            sys.stderr.write(words.decode(errors="replace"))
        else:
            stream.write(words)
            stream.flush()
