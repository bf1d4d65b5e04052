# SPDX-License-Identifier: Apache-2.0
"""The table of verdicts, for a person at a terminal."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TextIO

from . import errors
from .errors import printable
from .verdict import Verdict

_HEAD = ("program", "verdict", "insns", "states", "stack", "usec", "jited", "tag", "note")
_NUMBERS = range(2, 7)  # the columns that stand to the right
_COLOURS = {"accepted": "32", "refused": "31", "error": "31", "unsupported": "33"}  # SGR: green, red, yellow
# What each verdict makes of the exit status; refused programs do not hide one that could not be tried.
_STATUS = {"accepted": errors.OK, "unsupported": errors.OK, "refused": errors.REFUSED, "error": errors.UNABLE}


def status(verdicts: Sequence[Verdict]) -> int:
    """The exit status that verdicts ask for."""
    return max((_STATUS[each.verdict] for each in verdicts), default=errors.OK)


def print_verdicts(verdicts: Sequence[Verdict], out: TextIO) -> None:
    """Print one row for each program, and below it why one was not accepted.

    In colour where out is a terminal and NO_COLOR is not set (no-color.org).
    """
    if not verdicts:
        return
    colour = out.isatty() and not os.environ.get("NO_COLOR")
    rows = [_HEAD, *map(_row, verdicts)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    for number, row in enumerate(rows):
        each = verdicts[number - 1] if number else None
        cells = [
            cell.rjust(widths[column]) if column in _NUMBERS else cell.ljust(widths[column])
            for column, cell in enumerate(row)
        ]
        if colour and each is not None:
            cells[1] = f"\x1b[{_COLOURS[each.verdict]}m{cells[1]}\x1b[0m"
        print("  ".join(cells).rstrip(), file=out)
        if each is not None and each.message:
            print(f"  {each.errno or each.verdict}: {printable(each.message)}", file=out)


def _row(each: Verdict) -> tuple[str, ...]:
    figures = (
        each.processed_insns, each.total_states, each.stack_depth, each.verification_usec, each.jited_bytes
    )  # fmt: skip
    notes = [*(["cached"] if each.cached else []), *([each.note] if each.note else [])]
    return (
        printable(f"{each.object}/{each.program}" if each.program else each.object),
        each.verdict,
        *("-" if figure is None else str(figure) for figure in figures),
        each.tag or "-",
        printable(", ".join(notes)),
    )
