# SPDX-License-Identifier: Apache-2.0
"""What ends a run: Ctrl-C, SIGTERM, SIGHUP, or its time being up; none is missed, and none is late."""

from __future__ import annotations

import os
import signal
import time
from types import FrameType, TracebackType
from typing import Any


class Stop:
    """While this context lasts, those signals do nothing but make fd readable and asked() true.

    A signal's number goes into a pipe in the moment it comes, in whichever thread that is
    (signal.set_wakeup_fd), so that no gap is between looking and waiting. Main thread only.
    """

    def __init__(self) -> None:
        self._asked = False
        self._deadline: float | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Stop:
        self.fd, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # nohup(1) has SIGHUP ignored, and so it stays. A shell's `&` has SIGINT ignored as well, but
            # who sends one to a run all the same wants it to end.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                self._before[number] = signal.signal(number, _leave_it_to_the_pipe)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self.fd)
        os.close(self._write)

    def after(self, seconds: float) -> None:
        """The time is up so many seconds from now."""
        self._deadline = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds until the time is up: infinite where nobody set a time, 0 when it is up."""
        return float("inf") if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def asked(self) -> bool:
        """Whether it is time to stop."""
        try:
            # Other signals for which Python has a handler put their numbers in as well.
            self._asked |= any(number in self._before for number in os.read(self.fd, 4096))
        except BlockingIOError:
            pass
        return self._asked or self.left() == 0


def _leave_it_to_the_pipe(number: int, frame: FrameType | None) -> None:
    """signal.set_wakeup_fd writes only for signals that have a Python handler."""
