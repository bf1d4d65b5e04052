# SPDX-License-Identifier: Apache-2.0
"""index.html: the results as one page that needs no network, for people to look into.

What comes from objects and logs stands in the page as data only, in JSON or packed; its script makes text
nodes of it, and the page's policy lets nothing run or load but the page's own script and style.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any, TypeAlias

from .. import cost, verifier_log
from ..budget import LIMIT
from ..program_lines import Place, ProgramLines
from .embed import Logs, Sources, packed_json
from .results import Result, Results

_TEMPLATES = Path(__file__).parent.parent / "templates" / "report"
# Each uses what those before it define.
_SCRIPTS = ("page", "list", "log", "state", "source", "flame", "why", "program", "table", "main")

MOST_STACKS = 20_000  # of a flame graph; the lightest lines of each chain are told together

Stacks: TypeAlias = list[tuple[tuple[str, ...], int]]

_FIGURES = (
    *("processed_insns", "total_states", "peak_states", "stack_depth", "verification_usec"),
    *("xlated_bytes", "jited_bytes", "tag", "clang", "mcpu"),
)

# Of a diagnosis.
_TOLD = ("code", "title", "message", "label", "cause", "help", "fault", "reason", "insn", "line")


def render(results: Results) -> bytes:
    import jinja2  # takes 0.07 s

    sources, logs = Sources(results.root), Logs()
    parts: dict[str, str] = {}  # packed, by the id of their element
    made = {id(row): _program(row, index, sources, logs, parts)
            for index, row in enumerate(results.worst_first)}  # fmt: skip
    parts["sources"] = packed_json(sources.files())
    data = {
        "programs": [made[id(row)] for row in results.worst_first],
        "kernels": results.kernels,
        "gone": [[change.name, change.kernel] for change in results.gone],
        "baseline": results.baseline,
        "limit": LIMIT,
    }
    style = _read("report.css")
    script = '"use strict";\n' + "\n".join(_read(f"{name}.js") for name in _SCRIPTS)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), undefined=jinja2.StrictUndefined, autoescape=True
    )
    page = environment.get_template("report.html.j2").generate(
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
        # "<" ends a script element or begins a comment in it, and nothing else does.
        data=json.dumps(data).replace("<", "\\u003c"),
        parts=parts,
    )
    return b"".join(piece.encode() for piece in page)


def _read(name: str) -> str:
    return (_TEMPLATES / name).read_text("utf-8")


def _hash(text: str) -> str:
    """As Content-Security-Policy names what may run."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _program(row: Result, index: int, sources: Sources, logs: Logs, parts: dict[str, str]) -> dict[str, Any]:
    """What the table shows of a program; what is shown when it is opened goes to parts."""
    verdict = row.verdict
    detail: dict[str, Any] = {
        "places": sources.add_all(row.lines) if row.lines else [],
        "functions": row.lines.functions if row.lines else [],
        "source": sources.index(row.source) if row.source else None,
        "diagnosis": _diagnosis(row, sources),
        "cost": _cost(row, sources),
        "log": None,
    }
    if row.log is not None:
        log, parts[f"log-{index}"] = logs.add(row.log, row.worked)
        detail["log"] = {"lines": log.lines, "first": log.first, "left_out": log.left_out,
                         "path": str(row.log)}  # fmt: skip
    parts[f"program-{index}"] = packed_json(detail)
    return {
        "object": verdict.object,
        "program": verdict.program,
        "section": verdict.section,
        "type": verdict.type,
        "kernel": verdict.kernel,
        "verdict": verdict.verdict,
        "errno": verdict.errno,
        "outcome": row.outcome,
        "expected": row.expected,
        "message": verdict.message,
        "faults": [*map(str, row.failures), *map(str, row.broken)],
        "note": verdict.note,
        "title": row.diagnosis.title if row.diagnosis else "",
        "code": row.diagnosis.code if row.diagnosis else "",
        "figures": {name: getattr(verdict, name) for name in _FIGURES},
        "change": _change(row),
    }


def _change(row: Result) -> dict[str, Any] | None:
    if row.change is None:
        return None
    deltas = [dataclasses.asdict(delta) for delta in row.change.changed]
    return {"kind": row.change.kind, "before": row.change.before, "deltas": deltas}


def _diagnosis(row: Result, sources: Sources) -> dict[str, Any] | None:
    why = row.diagnosis
    if why is None:
        return None
    told = {name: getattr(why, name) for name in _TOLD}
    steps = [
        {"text": step.text, "kind": step.kind, "insn": step.insn, "line": step.line,
         "place": _place(step.place, sources)}
        for step in why.steps
    ]  # fmt: skip
    return {**told, "place": _place(why.place, sources), "steps": steps}


def _place(place: Place | None, sources: Sources) -> dict[str, Any] | None:
    if place is None:
        return None
    return {**dataclasses.asdict(place), "source_file": sources.add(place) if place.file else None}


def _cost(row: Result, sources: Sources) -> dict[str, Any] | None:
    """Instructions processed, by line and by chain of calls, as far as the log has them: every_path says
    whether it has them all, and not only the path that was refused."""
    if row.log is None or row.lines is None:
        return None
    log, its = row.log, row.lines
    lines: Counter[tuple[int, int]] = Counter()
    spots = {f"{place.file}:{place.line}": [sources.add(place), place.line] for _, place in row.lines.places}
    if row.cost is not None:
        total = row.cost.counted
        for each in row.cost.lines:
            if each.place.line:
                lines[sources.add(each.place), each.place.line] += each.insns
    else:
        visits = row.worked.get("visits", list[tuple[int, int]], lambda: _visits(log))
        total = sum(times for _, times in visits)
        for insn, times in visits:
            if place := row.lines.at(insn):
                lines[sources.add(place), place.line] += times
    if not total:
        return None
    size = row.log.stat().st_size
    chains = row.cost is not None and size <= cost.CHAINS_UP_TO
    return {
        "lines": [[*where, times] for where, times in sorted(lines.items())],
        "total": total,
        "every_path": row.cost is not None,
        "stacks": row.worked.get("stacks", Stacks, lambda: _stacks(log, its)) if chains else [],
        "too_long": [size, cost.CHAINS_UP_TO] if row.cost is not None and not chains else None,
        "spots": spots,
    }


def _visits(log: Path) -> list[tuple[int, int]]:
    """How often each instruction was looked at."""
    return list(verifier_log.count(verifier_log.mapped.of(log)).visits.items())


def _stacks(log: Path, lines: ProgramLines) -> Stacks:
    return _folded(cost.stacks(verifier_log.mapped.of(log), lines))


def _folded(stacks: Stacks) -> Stacks:
    """stacks, the heaviest first; of those that are too many for a page, all of a chain's in one."""
    rest: Counter[tuple[str, ...]] = Counter()
    for frames, times in stacks[MOST_STACKS:]:
        rest[*frames[:-1], "lesser lines"] += times
    return [*stacks[:MOST_STACKS], *rest.items()]
