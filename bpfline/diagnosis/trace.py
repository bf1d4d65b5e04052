# SPDX-License-Identifier: Apache-2.0
"""Where a value came from: a walk back over the last path, from the register that a message names."""

from __future__ import annotations

from dataclasses import dataclass

from .insn import ARGUMENTS, FRAME_POINTER, Op
from .path import Path

# A value starts here:
ORIGINS = ("set", "load", "helper", "clobbered", "unset")


@dataclass(frozen=True)
class Found:
    """Something happened to the value at visit `at`; reg is the register that held it then.

    kind: one of ORIGINS (clobbered: a call left nothing in the register; unset: nothing ever wrote it), or
    "move", "alu" (arithmetic), "store" and "fill" (to the stack and back), "check" (a branch on it), "pass"
    (into a function), "return" (out of one).
    """

    at: int
    kind: str
    reg: int
    frame: int


def back(path: Path, at: int, reg: int, frame: int) -> list[Found]:
    """What happened to the value that reg has before visit at, oldest first."""
    return _Walk(path, reg, frame).to_origin(at)


def copies(path: Path, found: list[Found], at: int) -> set[int]:
    """Registers that hold the value, or a copy of it, before visit at: in the frame of that visit."""
    if not found or at >= len(path.visits):
        return set()
    frame = path.visits[at].frame
    first = found[0]
    held = {first.reg} if first.frame == frame else set()
    for visit in path.visits[first.at + 1 : at]:
        if visit.frame != frame:
            continue
        op = visit.op
        if op.kind == "move" and not op.op and op.dst is not None:
            held = held | {op.dst} if op.src in held else held - {op.dst}
        elif op.kind in ("set", "load", "alu") and op.dst is not None:
            held = held - {op.dst}
        elif op.kind in ("helper", "enter"):
            held = held - {0, *ARGUMENTS}
    return held


@dataclass
class _Walk:
    """reg or slot: what holds the value at this point of the walk, in frame."""

    path: Path
    reg: int | None
    frame: int
    slot: int | None = None

    def to_origin(self, at: int) -> list[Found]:
        found: list[Found] = []
        for here in reversed(range(at)):
            visit = self.path.visits[here]
            held = self.reg
            kind = self._frame_changed(visit.frame, visit.op) or (
                self._step(visit.op) if visit.frame == self.frame else None
            )
            if kind:
                # What the value was moved from is what counts before; the instruction names its target.
                reg = held if held is not None else visit.op.src
                found.append(Found(here, kind, FRAME_POINTER if reg is None else reg, self.frame))
                if kind in ORIGINS:
                    return found[::-1]
        if self.reg is not None and self.path.is_whole and self.reg not in (*ARGUMENTS, FRAME_POINTER):
            found.append(Found(0, "unset", self.reg, self.frame))
        return found[::-1]

    def _frame_changed(self, frame: int, op: Op) -> str | None:
        """Out of the function that the value was given to, or into the one that gave it."""
        if frame < self.frame and self.reg in ARGUMENTS:
            self.frame = frame
            return "pass"
        if frame == self.frame + 1 and op.kind == "exit" and self.reg == 0:
            self.frame = frame
            return "return"
        return None

    def _step(self, op: Op) -> str | None:
        return self._slot_step(op) if self.slot is not None else self._reg_step(op)

    def _reg_step(self, op: Op) -> str | None:
        if op.kind == "branch":
            return "check" if self.reg in (op.dst, op.src) else None
        if op.kind in ("helper", "enter"):
            if self.reg == 0:
                return "helper"
            return "clobbered" if self.reg in ARGUMENTS else None
        if op.fetched is not None and op.fetched == self.reg:
            return "load"
        if op.dst != self.reg or op.kind not in ("set", "move", "alu", "load"):
            return None
        if op.kind == "move":
            self.reg = op.src
        elif op.kind == "load" and op.src == FRAME_POINTER:
            self.reg, self.slot = None, op.off
            return "fill"
        return op.kind

    def _slot_step(self, op: Op) -> str | None:
        assert self.slot is not None
        if op.kind != "store" or op.dst != FRAME_POINTER or op.op:
            return None
        if not op.off <= self.slot < op.off + op.size:
            return None
        if op.src is None:
            return "set"
        self.reg, self.slot = op.src, None
        return "store"
