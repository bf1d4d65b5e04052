# SPDX-License-Identifier: Apache-2.0
"""What the loader adds to the kernel's own work, for a program of 100,000 processed instructions.

    sudo .venv/bin/python benchmarks/load.py [RUNS]

verify() of a bundle in memory, in turn with the bare BPF_PROG_LOAD calls that it makes; the loader's
start is set aside. The goal: at most 1.2 times.
"""

from __future__ import annotations

import os
import struct
import sys
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent.parent / "loader"))

from bpfline_loader import bpf, log, verify
from bpfline_loader.bundle import Bundle, Program

PROCESSED = 100_000


def insn(code: int, dst: int = 0, off: int = 0, imm: int = 0) -> bytes:
    return struct.pack("=BBhi", code, dst, off, imm)


def loop() -> bytes:
    """A counter that the verifier follows round by round: two instructions each."""
    rounds = (PROCESSED - 4) // 2
    return (
        insn(0xB7, dst=1)  # r1 = 0
        + insn(0x07, dst=1, imm=1)  # r1 += 1
        + insn(0xA5, dst=1, off=-2, imm=rounds)  # if r1 < rounds goto -2
        + insn(0xB7, dst=0)  # r0 = 0
        + insn(0x95)  # exit
    )


def bare(insns: bytes, times: int) -> float:
    began = time.perf_counter()
    for _ in range(times):
        kept = log.capture(
            lambda level, memory: bpf.prog_load(5, insns, "GPL", name="loop", log_level=level, log=memory),
            log.STATS,
        )
        assert kept.answer.fd is not None
        os.close(kept.answer.fd)
    return time.perf_counter() - began


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    insns = loop()
    program = Program("loop", ".text", "tracepoint", None, insns)
    bundle = Bundle("loop", None, "GPL", sys.byteorder, None, None, (program,))
    ratios, whole, kernel = [], [], []
    for run in range(runs + 1):
        began = time.perf_counter()
        (row,) = verify.verify(bundle)
        took = time.perf_counter() - began
        assert row.verdict == "accepted" and row.processed_insns is not None
        alone = bare(insns, 1)
        if run:  # the first one warms what is kept for the process
            ratios.append(took / alone)
            whole.append(took)
            kernel.append(alone)
    print(f"{row.processed_insns} instructions processed")
    print(f"verify() {median(whole) * 1e3:.2f} ms, the bare call {median(kernel) * 1e3:.2f} ms")
    print(f"median of the ratios, in turn: {median(ratios):.3f} (goal: at most 1.2)")


if __name__ == "__main__":
    main()
