# SPDX-License-Identifier: Apache-2.0
"""Where a run's lines go: a stream whose reader may be slow, and may leave."""

from __future__ import annotations

import errno
import select
from collections import deque
from typing import TextIO

from .errors import Problem
from .syscalls import errno_name

# A pipe that poll(2) calls writable takes so much without blocking (pipe(7)).
PIPE_BUF = 4096


class Output:
    """Lines are queued by put() and written by send() when the stream takes them.

    closed: nobody reads the stream any more.
    """

    def __init__(self, stream: TextIO):
        self._stream = stream
        self._queue: deque[str] = deque()
        self.closed = False
        try:
            self.fd = stream.fileno()
        except (OSError, ValueError, AttributeError):
            self.fd = -1  # a stream in memory: always ready

    def __len__(self) -> int:
        """How many lines wait."""
        return len(self._queue)

    def put(self, line: str) -> None:
        """Queue a line, given without its newline."""
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self._queue.append(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        if self.fd < 0:
            self.send()

    def interest(self) -> int:
        """What poll(2) is to look for; that the reader has left (POLLERR) it tells unasked."""
        return select.POLLOUT if self._queue else 0

    def hear(self, events: int) -> None:
        """Take what poll(2) said of fd."""
        if events & (select.POLLERR | select.POLLHUP | select.POLLNVAL):
            self.closed = True

    def send(self) -> None:
        """Write as much as does not block, if poll(2) said so; Problem where the stream fails."""
        batch = ""
        while self._queue and (not batch or 4 * len(batch + self._queue[0]) <= PIPE_BUF):
            batch += self._queue.popleft()
        try:
            self._stream.write(batch)
            self._stream.flush()
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EIO):  # EIO: the terminal is gone
                raise Problem(
                    f"cannot be written: {errno_name(error.errno or 0)}", where="standard output"
                ) from None
            self.closed = True
