# SPDX-License-Identifier: Apache-2.0
"""verdicts.json: all of the results, the source of truth that every other report is a view of.

docs/verdicts.schema.json is its schema. Each row has what verdict.json has (bpfline_loader.verdict), and
what the build side found out.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bpfline_loader.verdict import SCHEMA

from .. import __version__, cost
from .results import Result, Results


def render(results: Results) -> bytes:
    return (json.dumps(to_json(results), indent=1) + "\n").encode()


def to_json(results: Results) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "bpfline": __version__,
        "baseline": _plain(results.baseline),
        "gone": _plain(results.gone),
        "results": [_row(row) for row in results.rows],
    }


# The verdict is the row itself; the place of each instruction is in the object.
_NOT_HERE = ("verdict", "lines", "worked")


def _row(row: Result) -> dict[str, Any]:
    names = [field.name for field in dataclasses.fields(row) if field.name not in _NOT_HERE]
    more = {name: _plain(getattr(row, name)) for name in names}
    its_cost = None if row.cost is None else _plain(cost.to_json(row.cost))
    more |= {"cost": its_cost, "failures": [_plain(each.words) for each in row.failures]}
    return {**_plain(row.verdict), **more, "outcome": row.outcome}


def _plain(value: Any) -> Any:
    """value as JSON has it: whatever the other modules' dataclasses hold."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, str):  # a surrogate, of a name that is not UTF-8, is in no strict JSON
        return value.encode("utf-8", "backslashreplace").decode()
    return value
