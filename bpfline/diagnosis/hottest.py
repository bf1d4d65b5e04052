# SPDX-License-Identifier: Apache-2.0
"""Where a program is too complex: not where the verifier happened to be when it gave up, but where it spent
its work."""

from __future__ import annotations

import dataclasses

from ..cost import Branch, Cost
from ..program_lines import Place, ProgramLines
from .model import Diagnosis, Step

CODES = ("BPF022", "BPF023")
_COMMAND = "doit cost"  # as the catalogue's remedy has it


def of(found: Diagnosis, cost: Cost | None, lines: ProgramLines | None, object_name: str) -> Diagnosis:
    """found, at the line that takes most, or the jump that leaves most for later. cost: None, or without
    lines, where the log does not show all of the work: then found says only how to get at it. object_name:
    in the project, "" outside of one."""
    command = f"doit cost --prog {object_name}" if object_name else "bpfline cost with a log of level 2"
    found = dataclasses.replace(found, help=found.help.replace(_COMMAND, command))
    if cost is None or not cost.lines:
        return found
    if found.code == "BPF023":
        return _leaving_most(found, cost)
    first = cost.lines[0]
    insn, place = _begin(lines, first.place)
    return dataclasses.replace(
        found,
        place=place,
        insn=insn,
        label=f"{first.insns:,} of the {cost.counted:,} instructions that were processed are of this line",
        steps=tuple(_step(branch) for branch in cost.branches[:1]),
    )


def _leaving_most(found: Diagnosis, cost: Cost) -> Diagnosis:
    """found, at the jump that left most ways for later."""
    first = max(cost.branches, key=lambda branch: branch.waiting, default=None)
    if first is None or not first.waiting:
        return found
    every = sum(branch.waiting for branch in cost.branches)
    label = f"{first.waiting:,} of the {every:,} ways that wait to be looked at are of this jump"
    return dataclasses.replace(found, place=first.place, insn=first.insn, label=label)


def _begin(lines: ProgramLines | None, place: Place) -> tuple[int | None, Place]:
    """The first instruction of a line, and its exact place."""
    for insn, each in lines.places if lines else ():
        if (each.file, each.line) == (place.file, place.line):
            return insn, each
    return None, place


def _step(branch: Branch) -> Step:
    times = f"{branch.visits:,} times" if branch.visits != 1 else "once"
    told = "" if branch.both is None else f", and could not tell {branch.both:,} times which way it goes"
    told = ", and could always tell which way it goes" if branch.both == 0 else told
    return Step(branch.place, f"the verifier came to this jump {times}{told}", "branch", branch.insn)
