# SPDX-License-Identifier: Apache-2.0
"""The verifier's log: at which levels it is asked for, and how all of it is kept.

Level 4 is nearly free and gives the verdict and its figures; the levels that trace instructions cost
7 to 20 times the verification and grow to megabytes, so they are asked for in a second load, and only
where somebody will read them. What the levels print is not a stable interface: bytes are kept as the
kernel wrote them.
"""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Optional

from . import trailer
from .bpf import Answer
from .syscalls import errno_name

# include/linux/bpf_verifier.h: BPF_LOG_LEVEL1, BPF_LOG_LEVEL2, BPF_LOG_STATS
BRANCHES = 1  # the path that failed
EVERY_PATH = 2  # each instruction of each path
STATS = 4  # the verifier's words and figures, without instructions

# auto   all that a reader can use: see levels()
# full   every path, whatever it costs
# short  level 4 only: why a program was refused, and the figures
# refused  as auto for a program that is refused, as short for others
# none   level 4 for verdict and figures, and nothing kept
MODES = ("auto", "full", "short", "refused", "none")
EVERY_PATH_UP_TO = 2_000  # processed instructions
BRANCHES_UP_TO = 100_000

FIRST_SIZE = 1 << 20  # anonymous memory: only what the kernel writes to is ever backed by a page
# bpf_verifier_log_attr_valid(), kernel/bpf/log.c. Kernels up to 5.1 take less (UINT_MAX >> 8), and do not
# know level 4 (06ee7115b0d1, in v5.2) either.
LARGEST = (1 << 32) - 1 >> 2
_SLACK = 4096  # a second log of the same program differs in its "verification time"

Memory = Optional[mmap.mmap]
Load = Callable[[int, Memory], Answer]


@dataclass(frozen=True)
class Capture:
    """One load with a log. log: None where it could not be kept whole, and lost says why.

    Where the log is lost, answer may not be the program's: the kernel answers ENOSPC when it had more
    to say.
    """

    answer: Answer
    log: bytes | None
    lost: str = ""


@dataclass(frozen=True)
class Record:
    """What all loads of one program gave.

    answer: the verdict, of the load at level 4. words: that load's log. log: the artifact, asked for
    at level. note: what could not be kept, or "".
    """

    answer: Answer
    words: bytes
    level: int
    log: bytes
    note: str = ""


def record(load: Load, mode: str = "auto") -> Record:
    """Load for the verdict, and again for the artifact that mode asks for.

    load takes a log level and the log's memory (0 and None: without a log). The fd in the result is
    the caller's; those of further loads are closed.
    """
    first = capture(load, STATS)
    if first.log is None:
        _close(first.answer)
        return Record(load(0, None), b"", 0, b"", f"{first.lost}: no log was kept")
    if mode == "none":
        return Record(first.answer, first.log, STATS, b"")
    try:
        level, log, note = _artifact(load, mode, first.answer, first.log)
    except BaseException:
        _close(first.answer)
        raise
    return Record(first.answer, first.log, level, log, note)


def _artifact(load: Load, mode: str, verdict: Answer, words: bytes) -> tuple[int, bytes, str]:
    notes = []
    for level in levels(mode, trailer.parse(words).processed_insns, verdict.fd is None) if words else ():
        again = capture(load, level)
        _close(again.answer)
        if again.log is None:
            notes.append(again.lost)
        elif again.answer.errno != verdict.errno:
            notes.append(f"the log at level {level} ended with {errno_name(again.answer.errno)}")
        else:
            return level, again.log, _note(notes, level)
    return STATS, words, _note(notes, STATS)


def _close(answer: Answer) -> None:
    if answer.fd is not None:
        os.close(answer.fd)


def _note(notes: list[str], level: int) -> str:
    return f"{'; '.join(notes)}: the log of level {level} was kept" if notes else ""


def levels(mode: str, processed: int | None, refused: bool) -> tuple[int, ...]:
    """The levels to ask for in turn until a log can be kept, after level 4.

    processed: instructions that the verifier processed, None where it did not say.
    """
    if mode == "full":
        return (EVERY_PATH | STATS, BRANCHES | STATS) if refused else (EVERY_PATH | STATS,)
    if not (mode == "auto" or (mode == "refused" and refused)) or processed is None:
        return ()
    if processed <= EVERY_PATH_UP_TO:
        return (EVERY_PATH | STATS,)
    if refused and processed <= BRANCHES_UP_TO:
        return (BRANCHES | STATS,)
    return ()


def capture(load: Load, level: int) -> Capture:
    """Load with as much memory as the log takes."""
    size = min(FIRST_SIZE, LARGEST)
    while True:
        try:
            memory = mmap.mmap(-1, size)
        except OSError:
            return Capture(Answer(None, errno.ENOMEM, 0), None, _refused(size, level))
        with memory:
            answer = load(level, memory)
            length = memory.find(b"\0")
            if not _cut(answer, length, size):
                try:
                    return Capture(answer, memory[:length])
                except MemoryError:
                    return Capture(answer, None, _refused(length, level))
        if size >= LARGEST:
            reason = f"the log at level {level} does not fit into the kernel's largest, {LARGEST} bytes"
            return Capture(answer, None, reason)
        size = min(LARGEST, answer.log_true_size + _SLACK if answer.log_true_size else 2 * size)


def _refused(size: int, level: int) -> str:
    return f"{size} bytes of memory for the log at level {level} were refused"


def _cut(answer: Answer, length: int, size: int) -> bool:
    """Whether the kernel had more to say than size bytes.

    From 6.4 on (47a71c1f9af0) it gives the size of the whole and keeps the log's end; before, it keeps
    the beginning, and a log that fills its memory was cut. ENOSPC alone does not tell: a program can
    earn it too.
    """
    if answer.fd is not None:
        return False
    if answer.log_true_size:
        return answer.log_true_size > size
    return length >= size - 1
