# SPDX-License-Identifier: Apache-2.0
"""bpfline cost LOG: where the verifier spent its work, from any saved level 2 log."""

from __future__ import annotations

import json
from pathlib import Path

from .. import saved_logs, verifier_log, watch
from ..errors import OK, Problem
from ..settings import near
from ..verifier_log import Log, Wrapped
from .measure import SCHEMA, Cost, of, to_json
from .text import to_text


def run(what: str | None, *, object_file: Path | None, program: str | None, top: int, as_json: bool) -> int:
    """Print the cost of each log in what (None and "-": standard input). object_file: for exact lines."""
    where = "standard input" if what in (None, "-") else str(what)
    data = saved_logs.read(what, "bpfline cost")
    with watch.doing(f"cost of {Path(where).name}"):
        costs = _costs(data, where, object_file, program)
    if all(_tells_nothing(cost) for cost in costs):
        help_ = "give the log of a load at level 2 (4 more for the figures): log_level = 6 in BPF_PROG_LOAD"
        raise Problem("is no verifier log, or one without instructions and figures", where=where, help=help_)
    if as_json:
        print(json.dumps({"schema": SCHEMA, "results": [to_json(cost) for cost in costs]}, indent=1))
    else:
        print("\n\n".join(to_text(cost, name=cost.program or where, top=top) for cost in costs))
    return OK


def _costs(data: Log, where: str, object_file: Path | None, program: str | None) -> list[Cost]:
    """The cost of each log in data."""
    logs = verifier_log.unwrap_all(data) or [Wrapped(data, "")]
    if program is not None and any(log.program for log in logs):
        names = [log.program for log in logs if log.program]
        logs = [log for log in logs if log.program == program]
        if not logs:
            raise Problem(f"has no log of a program '{program}'", where=where, help=near(program, names))
    programs = saved_logs.programs(object_file) if object_file is not None else ()
    costs = []
    for log in logs:
        name = program or log.program
        lines = saved_logs.program_of(log.log, programs, name) if programs else None
        costs.append(of(log.log, lines, program=name or ""))
    return costs


def _tells_nothing(cost: Cost) -> bool:
    return cost.processed_insns is None and not cost.counted
