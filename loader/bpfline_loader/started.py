# SPDX-License-Identifier: Apache-2.0
"""A process that has just started: its standard streams are there, and what asks it to end is heard."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Any


def replace_closed_streams() -> None:
    """Open /dev/null for each standard stream that was closed when we started: a file would get its number,
    and Python has None for it."""
    while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(handle)
    sys.stdin = sys.stdin or os.fdopen(0)
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")


def ends_as_interrupt() -> dict[int, Any]:
    """Have SIGTERM and SIGHUP end this process as Ctrl-C does; the handlers of before."""
    return {number: signal.signal(number, _interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
