# SPDX-License-Identifier: Apache-2.0
"""The verdict: what one kernel said of one program, as verdict.json keeps it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCHEMA = 1
FILE = "verdict.json"


@dataclass(frozen=True)
class Verdict:
    """One program on one kernel.

    verdict: "accepted", "refused", "unsupported" (the kernel lacks what it needs) or "error" (it could
    not be tried). errno: a name, or None. The figures are None where the kernel gave none; sizes and
    stack_depth are bytes, tag is 16 hex digits. cached: the verdict of an earlier run stands. log: the
    path of the log as written, or None. message: why it was not accepted, one line. note: what of the
    log could not be kept. key: everything that the verdict depends on; log_sha256: of the log.
    """

    object: str
    program: str
    section: str
    type: str
    kernel: str
    verdict: str
    errno: str | None = None
    processed_insns: int | None = None
    total_states: int | None = None
    peak_states: int | None = None
    stack_depth: int | None = None
    verification_usec: int | None = None
    xlated_bytes: int | None = None
    jited_bytes: int | None = None
    tag: str | None = None
    cached: bool = False
    log: str | None = None
    clang: str | None = None
    mcpu: str | None = None
    message: str = ""
    note: str = ""
    key: str = ""
    log_sha256: str | None = None


# The annotations of Verdict, as they stand above.
_TYPES = {
    "str": (str,),
    "str | None": (str, type(None)),
    "int | None": (int, type(None)),
    "bool": (bool,),
}


def to_json(results: Sequence[Verdict]) -> dict[str, Any]:
    """What verdict.json and --json hold."""
    return {"schema": SCHEMA, "results": [dict(vars(result)) for result in results]}


def encode(results: Sequence[Verdict], stamps: Mapping[str, Sequence[int]] | None = None) -> bytes:
    """to_json() as the bytes of a file, a line for each result. stamps: by log_sha256, how the file of that
    log looks from outside: see verify.py."""
    rows = ",\n  ".join(map(json.dumps, to_json(results)["results"]))
    more = f', "stamps": {json.dumps(stamps)}' if stamps else ""
    return f'{{"schema": {SCHEMA}, "results": [\n  {rows}\n]{more}}}\n'.encode()


def read(path: Path) -> list[Verdict]:
    """The verdicts in path; none where it is missing or damaged: they are made again."""
    try:
        if not path.is_file():  # a fifo would keep us waiting
            return []
        whole = json.loads(path.read_bytes())
        return [_from_json(row) for row in whole["results"]] if whole["schema"] == SCHEMA else []
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []


def read_stamps(path: Path) -> dict[str, Any]:
    """The stamps in path, as encode() was given them; none where it is missing or damaged."""
    try:
        stamps = json.loads(path.read_bytes())["stamps"] if path.is_file() else {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return stamps if isinstance(stamps, dict) else {}


def is_figure(value: Any) -> bool:
    """Whether it is a number that a kernel can have counted."""
    return type(value) is int and 0 <= value < 1 << 64


def _from_json(row: Any) -> Verdict:
    for field in dataclasses.fields(Verdict):
        value = row[field.name]
        if type(value) not in _TYPES[str(field.type)] or (type(value) is int and not is_figure(value)):
            raise TypeError(field.name)
    return Verdict(**row)
