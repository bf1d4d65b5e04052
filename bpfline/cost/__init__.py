# SPDX-License-Identifier: Apache-2.0
"""The cost of a program: where the verifier spends its work, by source line, function and branch.

of(log, lines) -> Cost                     from a saved level 2 log
whole_of(path, lines) -> Cost              from a log that was kept, for reports
stacks(log, lines) -> [(frames, weight)]   the same work over the chain of calls: a flame graph's data
lines_of(verdict, bundle) -> ProgramLines  the lines that both take, for exact places
"""

from __future__ import annotations

from .branches import Branch
from .measure import (
    Cost,
    Function,
    SourceLine,
    lines_of,
    of,
    to_json,
    whole_of,
)
from .stacks import CHAINS_UP_TO, stacks
from .text import to_text

__all__ = [
    "CHAINS_UP_TO",
    "Branch",
    "Cost",
    "Function",
    "SourceLine",
    "lines_of",
    "of",
    "stacks",
    "to_json",
    "to_text",
    "whole_of",
]
