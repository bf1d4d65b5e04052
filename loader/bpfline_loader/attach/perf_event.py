# SPDX-License-Identifier: Apache-2.0
"""Attachment of BPF_PROG_TYPE_PERF_EVENT: samples of the CPU clock, on each processor."""

from __future__ import annotations

import errno
import os
import re

from .. import hints, perf
from ..bundle import Program
from ..errors import Problem
from ..privileges import raised
from ..tracefs import Tracefs
from . import perf_link
from .attachment import Attachment, refused

TARGET = None
DEFAULT = "freq=99"  # a second, on each processor; not 100, which would keep step with timers
_WORDS = re.compile(r"(freq|period)=([1-9]\d{0,17})")


def attach(program: Program, fd: int, tracefs: Tracefs) -> Attachment:
    """Run the program at each sample: "freq=99" times a second, or each "period=1000000" nanoseconds.

    The software clock (PERF_COUNT_SW_CPU_CLOCK) is there without a performance counter too, as in most
    virtual machines. It stands still while a processor is idle.
    """
    words = program.attach or DEFAULT
    found = _WORDS.fullmatch(words)
    if found is None:
        raise Problem(
            "is not how often to sample",
            where=words,
            help="freq=99, times a second, or period=1000000, nanoseconds",
        )
    target = f"the CPU clock ({words})"
    fds: list[int] = []
    with raised():
        try:
            for cpu in perf.online_cpus():
                fds += perf_link.bind(_event(cpu, found[1] == "freq", int(found[2])), fd)
        except OSError as error:
            for each in fds:
                os.close(each)
            raise refused(target, error, hints.PERF, _too_often(error, words)) from None
    return Attachment(target, tuple(fds))


def _event(cpu: int, freq: bool, number: int) -> int:
    # sample_period is a union with sample_freq
    return perf.open_event(
        perf.PERF_TYPE_SOFTWARE, perf.PERF_COUNT_SW_CPU_CLOCK, cpu=cpu, sample_period=number, freq=freq
    )


def _too_often(error: OSError, words: str) -> str:
    limit = perf.max_sample_rate()
    if error.errno == errno.EINVAL and words.startswith("freq=") and int(words[5:]) > limit:
        return f"this kernel samples {limit} times a second at most (kernel.perf_event_max_sample_rate)"
    return ""
