# SPDX-License-Identifier: Apache-2.0
"""A diagnosis as data."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from bpfline.program_lines import Place

SCHEMA = 1

__all__ = ["Diagnosis", "Place", "Step", "to_json"]


@dataclass(frozen=True)
class Step:
    """One step of the way to a refusal, in the verifier's order.

    place: None where neither the object nor the log has it. kind: "origin" (the value comes from here),
    "acquired" (what has to be released), "change" (arithmetic on it), "check" (a comparison of it),
    "lost" (what was known of it is not any more), "call" (a function is called), "branch" (a way that was
    taken). insn: index of the instruction. line: in the log.
    """

    place: Place | None
    text: str
    kind: str
    insn: int | None = None
    line: int | None = None


@dataclass(frozen=True)
class Diagnosis:
    """Why a program was refused.

    code: of the catalogue (BPF012), "" for a message that it does not have. title: in plain words; of an
    unknown message its first line. message: the verifier's own words, verbatim, lines joined by newlines.
    program: its name, if known. place: where, None if that is not known; insn: the instruction; label:
    what is wrong at it. steps: oldest first. cause, help: sentences. fault: "source", "compiler", "limit",
    "environment", or "" for an unknown message. reason, suggestion: of the kernel's own report (7.3).
    line: of the message in the log, from 1.
    """

    code: str
    title: str
    message: str
    program: str = ""
    place: Place | None = None
    insn: int | None = None
    label: str = ""
    steps: tuple[Step, ...] = ()
    cause: str = ""
    help: str = ""
    fault: str = ""
    reason: str = ""
    kernel: str = ""
    line: int | None = None


def to_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """For programs to read: a result of docs/explain.schema.json."""
    return dataclasses.asdict(diagnosis)
