# SPDX-License-Identifier: Apache-2.0
"""The cost's branches: each conditional jump, and how often the verifier followed it which way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..program_lines import Place
from ..verifier_log import Counts

CALL, EXIT = 0x85, 0x95  # BPF_JMP | BPF_CALL, BPF_JMP | BPF_EXIT, linux/bpf.h


@dataclass(frozen=True)
class Branch:
    """A conditional jump: how often the verifier reached it, went on where it jumps to (taken), and went
    on behind it (passed). taken: None in a log of kernels up to 5.16 or so, which do not say from where
    they take up a branch. waiting: how often one way was left for later, and the verifier gave up before."""

    insn: int
    place: Place
    visits: int
    taken: int | None
    passed: int
    waiting: int = 0

    @property
    def both(self) -> int | None:
        """How often the verifier could not tell which way it goes, and followed both, or would have."""
        if self.taken is None:
            return None
        return max(self.waiting, self.taken + self.passed + self.waiting - self.visits)


def of(
    counts: Counts, place: Callable[[int], Place], starts: set[int], waiting: Counter[int]
) -> Iterator[Branch]:
    """The costliest first. starts: of functions. waiting: the ways that are, by their jumps."""
    taken: Counter[int] = Counter()
    passed: Counter[int] = Counter()
    for (origin, target), times in counts.edges.items():
        (passed if target == origin + 1 else taken)[origin] += times
    told = _tells_origins(counts, starts)
    found = [
        Branch(
            *(insn, place(insn), counts.visits[insn]),
            *(taken[insn] if told else None, passed[insn], waiting[insn]),
        )
        for insn, opcode in counts.opcodes.items()
        if conditional(opcode)
    ]
    yield from sorted(found, key=_order)


def _order(branch: Branch) -> tuple[int, int]:
    return -(branch.taken or 0) - branch.passed - branch.waiting, branch.insn


def _tells_origins(counts: Counts, starts: set[int]) -> bool:
    """Whether each branch that was taken up is said to be ("from 3 to 5:"). Where it is not, it stands
    behind a path's end, and so it does where a function begins or a call returns to."""
    known: Counter[int] = Counter()
    for (origin, target), times in counts.edges.items():
        if counts.opcodes.get(origin) != EXIT:
            known[target] += times
    calls = {insn for insn, opcode in counts.opcodes.items() if opcode == CALL}
    expected = starts | {0} | calls | {insn + 1 for insn in calls}
    return all(insn in expected or known[insn] == times for insn, times in counts.visits.items())


def conditional(opcode: int) -> bool:
    """BPF_JMP and BPF_JMP32, but no BPF_JA, BPF_CALL or BPF_EXIT (linux/bpf.h)."""
    return opcode & 0x07 in (5, 6) and opcode & 0xF0 not in (0x00, 0x80, 0x90)
