# SPDX-License-Identifier: Apache-2.0
"""The end of a verifier log: its figures, and the words before them.

Formats from 5.10 to 7.3 (print_verification_stats, kernel/bpf/verifier.c):

    verification time 26255 usec
    stack depth 8+16                    a term for each subprogram; 7.2 adds " max 24"
    insns processed 8+42                only 7.2
    stack depth max 24                  from 7.3 on, with the next
    subprog 0 (name) main insns_self 7 insns_total 20 stack 8
    processed 20 insns (limit 1000000) max_states_per_insn 0 total_states 1 peak_states 1 mark_read 1

A line that none of this describes is passed over, never an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# 7.3 prints one line for each subprogram, of which there are at most 256 (BPF_MAX_SUBPROGS).
_MOST_LINES = 300
_MOST_BYTES = 64 << 10

_PROCESSED = re.compile(rb"processed (\d+) insns\b(?:.*? total_states (\d+))?(?:.*? peak_states (\d+))?")
_TIME = re.compile(rb"verification time (\d+) usec")
_DEPTHS = re.compile(rb"stack depth (\d+(?:\+\d+)*)")
_DEEPEST = re.compile(rb"stack depth max (\d+)")
_SUBPROG = re.compile(rb"subprog \d+ .* stack (\d+)\s*$")

# Lines that tell no reason. Source, instructions, precision tracking and CO-RE relocation come before it,
# states in the midst of it or after it.
_BEFORE = re.compile(
    rb";|\d+: |func#\d|from \d|regs=|last_idx |parent |mark_precise: |CO-RE relocating |prog '[^']*': relo #"
)
# A reason only where nothing follows.
_REMARK = re.compile(
    rb"arg#\d+ reference type\(|func '[^']*' arg\d+ has btf_id |reg type unsupported for arg#\d+ function "
)
_AMIDST = re.compile(rb"(?:cur|old) state:|\s*$")
_REPORT = b"Verification failed: "


@dataclass(frozen=True)
class Stats:
    """The verifier's figures; None where the log does not have one.

    stack_depth: bytes, the sum over all subprograms, as veristat counts it (what a call chain needs at
    most is less). On kernels that print no terms it is what they print. verification_usec differs
    from run to run.
    """

    processed_insns: int | None = None
    total_states: int | None = None
    peak_states: int | None = None
    stack_depth: int | None = None
    verification_usec: int | None = None


def parse(log: bytes) -> Stats:
    """The figures at the end of a whole log."""
    _, lines = _split(log)
    processed = total = peak = usec = deepest = None
    depths: list[int] = []
    for line in lines:
        if found := _PROCESSED.match(line):
            processed, total, peak = (None if text is None else _number(text) for text in found.groups())
        elif found := _TIME.match(line):
            usec = _number(found[1])
        elif found := _DEPTHS.match(line):
            depths = [_number(term) for term in found[1].split(b"+")]
        elif found := _DEEPEST.match(line):
            deepest = _number(found[1])
        elif found := _SUBPROG.match(line):
            depths.append(_number(found[1]))
    return Stats(processed, total, peak, sum(depths) if depths else deepest, usec)


def last_words(log: bytes) -> str:
    """Why the program was refused, on one line; "" where the log does not say.

    The verifier often says it in two lines ("invalid access to packet, off=23 ...", "R1 offset is
    outside of the packet"); both are given. The report that 7.3 prints after them is used only where
    nothing stands before it.
    """
    body, _ = _split(log[-_MOST_BYTES:])
    words: list[bytes] = []
    report = b""
    earlier = False  # whether what is in words was said of something else
    for line in body:
        if line.startswith(_REPORT):
            report = line[len(_REPORT) :]
            break
        if _BEFORE.match(line):
            earlier = True
        elif not _AMIDST.match(line):
            # A source line can stand behind the reason too: only further words take its place.
            if earlier:
                words.clear()
            words.append(line.strip())
            earlier = bool(_REMARK.match(line))
    chosen = words[-2:] or ([report] if report else [])
    return "; ".join(line.decode("utf-8", "replace") for line in chosen)


def _number(digits: bytes) -> int:
    return int(digits[:18])  # the kernel's are shorter; int() refuses thousands of digits


def _split(log: bytes) -> tuple[list[bytes], list[bytes]]:
    """The lines before the trailer, as far as the last _MOST_BYTES have them, and the trailer's lines.

    The trailer goes from "verification time", if there is one, to the last "processed".
    """
    lines = log[-_MOST_BYTES:].split(b"\n")
    end = next((at for at in reversed(range(len(lines))) if _PROCESSED.match(lines[at])), None)
    if end is None:
        return lines, []
    above = range(end, max(end - _MOST_LINES, 0) - 1, -1)
    start = next((at for at in above if _TIME.match(lines[at])), end)
    return lines[:start], lines[start : end + 1]
