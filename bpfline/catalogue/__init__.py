# SPDX-License-Identifier: Apache-2.0
"""The catalogue: what the kernel says when it refuses a program, each with a code, a cause and a remedy.

    >>> match(["R0 invalid mem access 'map_value_or_null'"]).code
    'BPF003'

Codes are stable: an entry keeps its code, and a code that is given up is not given again. docs/errors/
has a page for each. A table's module is a family; the codes do not run on within it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from . import access, bounds, calls, flow, kernel, pointers, resources, stack
from .entry import Entry, Fault

__all__ = ["CATALOGUE", "Entry", "Fault", "by_code", "match"]

_FAMILIES = (pointers, bounds, stack, access, flow, resources, calls, kernel)

# Every entry, by code.
CATALOGUE: tuple[Entry, ...] = tuple(
    sorted((each for family in _FAMILIES for each in family.ENTRIES), key=lambda each: each.code)
)

_BY_CODE = {each.code: each for each in CATALOGUE}

# Of a call of a global function the kernel says first what is wrong with one argument, or with the function.
_ABOVE_ALL = ("BPF043", "BPF044", "BPF042")
# 6.1 says this of static functions too, and goes on (btf_check_subprog_arg_match): a reason only where
# nothing else is said.
_REMARK = re.compile(r"reg type unsupported for arg#\d+ function ")
_MOST_LINES = 1000  # a message and the longest report of 7.3 below it

# What an errno means where the kernel, or whoever loaded the program, says nothing else.
_BY_ERRNO = {"EPERM": "BPF059", "ENOSPC": "BPF060", "E2BIG": "BPF061"}


def by_code(code: str) -> Entry | None:
    """The entry of a code in any case, None where there is no such."""
    return _BY_CODE.get(code.upper())


def match(lines: Sequence[str], errno: str | None = None) -> Entry | None:
    """What the last lines of a log say, None where the catalogue does not have it.

    lines: the verifier's message, one line or more; sources, instructions, states and the report of 7.3
    may stand among them. errno: its name ("EACCES"), which tells something where the lines do not. The
    line that is said first decides: those after it say more of the same.
    """
    last = lines[-_MOST_LINES:]
    text = "\n".join([line for line in last if not _REMARK.match(line)] or last)
    found = [(hit.start(), each) for each in CATALOGUE if (hit := each.pattern.search(text))]
    if not found:
        return _BY_CODE.get(_BY_ERRNO.get(errno or "", ""))
    return min(found, key=lambda hit: (_rank(hit[1]), hit[0]))[1]


def _rank(entry: Entry) -> int:
    """Small is important. What tells no more than the errno (libbpf's line around a log) comes last."""
    if entry.code in _ABOVE_ALL:
        return _ABOVE_ALL.index(entry.code)
    return len(_ABOVE_ALL) + (entry.code in _BY_ERRNO.values())
