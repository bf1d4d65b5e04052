# SPDX-License-Identifier: Apache-2.0
"""What takes long, for who waits: on a terminal one line that says what is done and how far it is, which is
gone when it is done; elsewhere one line for what takes longer than some seconds."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

from .errors import printable
from .terminal import say, show_status
from .verifier_log import mapped

SOON, LONG = 0.5, 5.0  # seconds: on a terminal, and elsewhere
_TICK = 0.2


@dataclass
class _Work:
    """what: is done. read, size: bytes of the log that is read, 0 where none is."""

    what: str
    read: int = 0
    size: int = 0
    since: float = field(default_factory=time.monotonic)
    said: bool = False

    def __str__(self) -> str:
        seconds = f"{time.monotonic() - self.since:.0f} s"
        how_far = f"reading {self.read >> 20} of {self.size >> 20} MB, " if self.size else ""
        return f"{printable(self.what)}: {how_far}{seconds}"


_works: list[_Work] = []  # the last is the one that is shown; with doit -n there are several
_lock = threading.Lock()


@contextmanager
def doing(what: str) -> Iterator[None]:
    """While what is done, say so if it takes long."""
    work = _Work(what)
    with _lock:
        _works.append(work)
        first = len(_works) == 1
    ended = threading.Event()
    ticker = threading.Thread(target=_tick, args=(ended,), daemon=True) if first else None
    if ticker:
        mapped.watcher = _reading
        ticker.start()
    try:
        yield
    finally:
        with _lock:
            _works.remove(work)
        if ticker:
            ended.set()
            ticker.join()


def verifying(name: str) -> Callable[[str], AbstractContextManager[None]]:
    """For verify.verify(): name is the object's."""
    return lambda program: doing(f"the kernel verifies {name}/{program}")


def _reading(done: int, size: int) -> None:
    with _lock:
        if _works:
            _works[-1].read, _works[-1].size = done, size


def _tick(ended: threading.Event) -> None:
    on_terminal = sys.stderr.isatty()
    while not ended.wait(_TICK):
        with _lock:
            work = _works[-1] if _works else None
            age = time.monotonic() - work.since if work else 0.0
        if work and on_terminal and age > SOON:
            show_status(str(work))
        elif work and not on_terminal and age > LONG and not work.said:
            work.said = True
            say(f"   {work} so far")
    if on_terminal:
        show_status("")
