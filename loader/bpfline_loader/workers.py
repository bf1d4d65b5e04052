# SPDX-License-Identifier: Apache-2.0
"""Work on several processors: forked workers, each given one item after the other.

A fork shares what was imported and read by then, which starting an interpreter would not; and a worker
that the kernel ends takes along no other's work.
"""

from __future__ import annotations

import fcntl
import gc
import os
import pickle
import select
import signal
import struct
import sys
import termios
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, NoReturn

from . import kernel_btf
from .btf import Kind
from .errors import Problem

_HEAD = 4  # bytes of an item's number, and of the length of an answer


@dataclass(frozen=True)
class Crash:
    """In place of a result: how the worker ended."""

    how: str


@dataclass
class _Worker:
    pid: int
    requests: int
    answers: int
    item: int
    answered: bool = False  # at least once


def count(items: int) -> int:
    """How many workers pay for so many objects: a fork takes as long as two or three small ones."""
    return max(1, min(len(os.sched_getaffinity(0)), items // 4))


def _prepare() -> None:
    """Read the kernel's BTF before workers are forked, or each would take 30 ms for it. And let no
    collection of garbage write to the pages that they share."""
    try:
        kernel_btf.find(Kind.STRUCT, "task_struct", "vmlinux")
    except Problem:
        pass  # a program that needs it will say so
    gc.freeze()


def each(work: Callable[[int], Any], items: list[int], jobs: int) -> Generator[tuple[int, Any], None, None]:
    """(item, work(item)) in the order in which they are done; a Crash for an item at which a worker ended.
    What a worker had not begun when it ended is another's.

    With jobs 1 this process does it all. Whatever work returns must be picklable and not None; what it
    raises ends its worker. The workers end when the generator is closed.
    """
    if jobs <= 1 or len(items) <= 1:
        yield from ((item, work(item)) for item in items)
        return
    _prepare()
    pending = list(reversed(items))
    workers: dict[int, _Worker] = {}
    try:
        while pending or workers:
            while pending and len(workers) < jobs:
                _start(work, pending.pop(), workers)
            ready, _, _ = select.select(list(workers), [], [])
            for answers in ready:
                worker = workers[answers]
                done, answer = worker.item, _read(worker)
                if answer and pending and _asked(worker, pending[-1]):  # before anything else, for it waits
                    pending.pop()
                    yield done, pickle.loads(answer)  # from our own child
                    continue
                del workers[answers]
                begun = not worker.answered or not _unread(worker.requests)
                how = _end(worker)
                if answer:
                    yield done, pickle.loads(answer)
                elif begun:
                    yield done, Crash(how)
                else:
                    pending.append(done)
    finally:
        for worker in workers.values():
            os.kill(worker.pid, signal.SIGKILL)
            _end(worker)


def _asked(worker: _Worker, item: int) -> bool:
    """Give item to a worker that has answered; False where it has ended since."""
    try:
        os.write(worker.requests, item.to_bytes(_HEAD, "little"))
    except BrokenPipeError:
        return False
    worker.item, worker.answered = item, True
    return True


def _unread(pipe: int) -> int:
    """How many bytes nobody has read of a pipe (FIONREAD, pipe(7))."""
    (size,) = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))
    return int(size)


def _start(work: Callable[[int], Any], item: int, workers: dict[int, _Worker]) -> None:
    """Add a worker, which begins with item."""
    requests_in, requests = os.pipe()
    answers, answers_out = os.pipe()
    os.write(requests, item.to_bytes(_HEAD, "little"))
    sys.stdout.flush()
    sys.stderr.flush()
    # Ctrl-C must find neither a worker that we do not know nor one that goes on as we would.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for fd in (
            requests,
            answers,
            *(fd for each in workers.values() for fd in (each.requests, each.answers)),
        ):
            os.close(fd)
        _serve(work, requests_in, answers_out)
    workers[answers] = _Worker(pid, requests, answers, item)
    os.close(requests_in)
    os.close(answers_out)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(work: Callable[[int], Any], requests: int, answers: int) -> NoReturn:
    """A worker's life: no cleaning up at its end but what the kernel does."""
    status = 1
    try:
        while request := os.read(requests, _HEAD):
            answer = pickle.dumps(work(int.from_bytes(request, "little")))
            with open(answers, "wb", closefd=False) as file:
                file.write(len(answer).to_bytes(_HEAD, "little") + answer)
        status = 0
    except BaseException:
        if os.environ.get("BPFLINE_DEBUG"):
            sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)


def _read(worker: _Worker) -> bytes:
    """A worker's answer, none where it ended instead."""
    with open(worker.answers, "rb", buffering=0, closefd=False) as file:
        head = _exactly(file, _HEAD)
        return _exactly(file, int.from_bytes(head, "little")) if head else b""


def _exactly(file: Any, size: int) -> bytes:
    """size bytes, or none where the worker ended before."""
    data = bytearray()
    while len(data) < size:
        more = file.read(size - len(data))
        if not more:
            return b""
        data += more
    return bytes(data)


def _end(worker: _Worker) -> str:
    """Let a worker go, which has nothing more to do or has ended; how it ended."""
    os.close(worker.requests)
    os.close(worker.answers)
    _, status = os.waitpid(worker.pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return f"signal {-code}" if code < 0 else f"exit status {code}"
