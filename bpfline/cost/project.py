# SPDX-License-Identifier: Apache-2.0
"""doit cost: the cost of a project's programs on the running kernel."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bpfline_loader import table
from bpfline_loader.bundle import Bundle
from bpfline_loader.load import REFUSED
from bpfline_loader.verdict import Verdict
from bpfline_loader.verify import kept, verify

from .. import verifier_log, watch, worked
from ..errors import Problem, printable
from ..terminal import say
from .measure import SCHEMA, Cost, lines_of, of, to_json
from .stacks import CHAINS_UP_TO
from .text import to_text

TASK = "cost"
BESIDE = "cost"  # the folder of full logs, in that of `doit verify`'s logs


@dataclass(frozen=True)
class Measured:
    """A program on this kernel. cost: None where there is no log, for it could not be tried. size: bytes of
    the log."""

    verdict: Verdict
    cost: Cost | None
    size: int = 0


def measure(bundle: Bundle) -> list[Measured]:
    """The costs of a bundle's programs: from the logs that `doit verify` has kept where all of them show all
    of the work, else from full ones, which are kept beside them."""
    rows = [row for row in kept(bundle) if row is not None and row.log is not None]
    if rows and len(rows) == len(bundle.programs):
        found = [_measured(row, bundle) for row in rows]
        if all(each.cost and each.cost.whole for each in found):
            return found
    return [_measured(row, bundle) for row in _traced(bundle)]


def _traced(bundle: Bundle) -> list[Verdict]:
    return verify(bundle, mode="full", beside=BESIDE, around=watch.verifying(bundle.object))


def _measured(row: Verdict, bundle: Bundle) -> Measured:
    if row.log is None:
        return Measured(row, None)
    try:
        log = verifier_log.mapped.of(Path(row.log))
    except OSError as error:
        raise Problem(f"cannot be read: {error.strerror}", where=row.log) from None
    lines = lines_of(row, bundle)
    known = worked.of(row, lines)
    with watch.doing(f"the cost of {_name(row)}"):
        cost = known.get("cost", Cost, lambda: of(log, lines, program=row.program))
    return Measured(row, cost, len(log))


@dataclass(frozen=True)
class Options:
    """What follows `doit cost`."""

    json: bool = False
    top: int = 10


def options(words: Sequence[str]) -> tuple[Options, list[str]]:
    """(the options in words, the other words); ArgumentError for a wrong one. --prog OBJECT becomes the
    task of that object."""
    parser = argparse.ArgumentParser(
        prog="doit cost", add_help=False, allow_abbrev=False, exit_on_error=False
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--top", type=rows, default=Options.top, metavar="N")
    parser.add_argument("--prog", metavar="OBJECT")
    found, rest = parser.parse_known_args(words)
    if found.prog is not None:
        rest = [f"{TASK}:{found.prog}" if word == TASK else word for word in rest]
    return Options(found.json, found.top), rest


def rows(text: str) -> int:
    """How many rows a table may have."""
    value = int(text)
    if value < 0:
        raise ValueError(text)
    return value


def show(found: Sequence[Measured], options: Options) -> int:
    """Print the costs on standard output, and on standard error what has none. The exit status: a program
    that was refused has its cost all the same."""
    if options.json:
        print(json.dumps({"schema": SCHEMA, "results": [_json(each) for each in found]}, indent=1))
    else:
        blocks = [_block(each.verdict, each.cost, options.top) for each in found if each.cost]
        print("\n\n".join(blocks), end="\n" if blocks else "")
    sys.stdout.flush()
    for each in found:
        row = each.verdict
        if each.cost is None:
            say(f"{printable(_name(row))}: {row.verdict}: {printable(row.message or row.errno or '')}")
        elif each.size > CHAINS_UP_TO:
            say(
                f"{printable(_name(row))}: note: the report has no flame graph of it: its log has "
                f"{each.size >> 20} MiB, and calls are followed in logs of up to {CHAINS_UP_TO >> 20} MiB"
            )
    return table.status([each.verdict for each in found if each.verdict.verdict != REFUSED])


def _block(row: Verdict, cost: Cost, top: int) -> str:
    refused = (row.message or row.errno or "") if row.verdict == REFUSED else ""
    return to_text(cost, name=_name(row), top=top, refused=refused)


def _name(row: Verdict) -> str:
    return f"{row.object}/{row.program}"


def _json(each: Measured) -> dict[str, Any]:
    row = each.verdict
    about = {
        name: getattr(row, name) for name in ("object", "program", "section", "kernel", "verdict", "log")
    }
    return {**about, "cost": to_json(each.cost) if each.cost else None}
