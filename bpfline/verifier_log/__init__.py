# SPDX-License-Identifier: Apache-2.0
"""The verifier's log, read: events, register states, figures, counts, and the log inside others' words.

unwrap(text) -> bytes            the log, out of what libbpf, cilium/ebpf, aya or bpftool printed
read(log) -> Iterator[Event]     line by line
summary(log) -> Summary          why it was refused, the figures, the report of 7.3
count(log) -> Counts             how often each instruction was looked at
states.parse(text) -> Registers  what an event's state says
mapped.of(path) -> Log           a log of any size, in bounded memory; what the others take
"""

from __future__ import annotations

from . import events, mapped, precision, states
from .count import Counts, count
from .events import Event
from .mapped import Log
from .pieces import pieces
from .poison import Poison, poison
from .reader import read
from .report import Report
from .summary import Summary, summary
from .unwrap import Wrapped, unwrap, unwrap_all

__all__ = [
    "Counts",
    "Event",
    "Log",
    "Poison",
    "Report",
    "Summary",
    "Wrapped",
    "count",
    "events",
    "mapped",
    "pieces",
    "poison",
    "precision",
    "read",
    "states",
    "summary",
    "unwrap",
    "unwrap_all",
]
