# SPDX-License-Identifier: Apache-2.0
"""A step of precision tracking, read: which registers and stack slots the verifier followed back.

last_idx 13 first_idx 0                                             up to 6.1
regs=2 stack=0 before 12: (c7) r1 s>>= 32                           regs and stack are hexadecimal masks
parent didn't have regs=4 stack=0 marks: R0_rw=...
mark_precise: frame0: last_idx 5 first_idx 0 subseq_idx -1          6.3 and later
mark_precise: frame0: regs=r2 stack=-8 before 4: (b7) r3 = 0
mark_precise: frame0: parent state regs=r2 stack=:  R0=...
mark_precise: frame0: falling back to forcing all scalars precise
force_precise: frame0: forcing r0 to be precise
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_FRAME = re.compile(r"(?:mark|force)_precise: frame(\d{1,9}): ", re.ASCII)
_BEFORE = re.compile(r"regs=(\S*) stack=(\S*) before (\d{1,9}): (.*)", re.ASCII)
_START = re.compile(r"last_idx (\d{1,9}) first_idx (\d{1,9})", re.ASCII)
_PARENT = re.compile(
    r"parent (?:state|already had|didn't have) regs=(\S*) stack=([^\s:]*)(?: marks)?:? *(.*)", re.ASCII
)


@dataclass(frozen=True)
class Step:
    """One line.

    kind: "start" (from instruction idx back), "before" (idx; regs and slots still followed), "parent"
    (the state before, kept in state), "other" (the verifier gave up and wants all scalars exact).
    slots: offsets from the frame pointer, such as -8. frame: None up to 6.1, which does not say.
    """

    kind: str
    frame: int | None = None
    idx: int | None = None
    regs: tuple[int, ...] = ()
    slots: tuple[int, ...] = ()
    text: str = ""
    state: str = ""


def parse(text: str) -> Step:
    """Read the text of an events.Precision."""
    found = _FRAME.match(text)
    frame = int(found[1]) if found else None
    rest = text[found.end() :] if found else text
    if found := _BEFORE.match(rest):
        return Step("before", frame, int(found[3]), _regs(found[1]), _slots(found[2]), found[4])
    if found := _START.match(rest):
        return Step("start", frame, int(found[1]), text=rest)
    if found := _PARENT.match(rest):
        return Step("parent", frame, None, _regs(found[1]), _slots(found[2]), rest, found[3])
    return Step("other", frame, text=rest)


def _regs(listed: str) -> tuple[int, ...]:
    """`r2,r3`, or the mask `c`."""
    if "r" in listed:
        return tuple(int(name[1:]) for name in listed.split(",") if name[1:].isdecimal() and len(name) < 5)
    return _bits(listed)


def _slots(listed: str) -> tuple[int, ...]:
    """`-8,-16`, or the mask `1`, whose bit 0 is the slot at -8."""
    if "-" in listed:
        return tuple(int(name) for name in listed.split(",") if re.fullmatch(r"-[0-9]{1,9}", name))
    return tuple(-8 * (bit + 1) for bit in _bits(listed))


def _bits(mask: str) -> tuple[int, ...]:
    if not re.fullmatch(r"[0-9a-f]{1,16}", mask):
        return ()
    return tuple(bit for bit in range(64) if int(mask, 16) >> bit & 1)
