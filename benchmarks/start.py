# SPDX-License-Identifier: Apache-2.0
"""What a command costs when there is nothing to do, in turn with its peers in the same run.

    .venv/bin/python benchmarks/start.py [RUNS]

The wrapper against doit called directly (its goal: less than 20 ms more), and a build with nothing
to do against doit's and Python's own start.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parent.parent
BIN = ROOT / ".venv/bin"

COMMANDS = {
    "python -c pass": [BIN / "python", "-c", "pass"],
    "doit --version": [BIN / "doit", "--version"],
    "doit build": [BIN / "doit", "build"],
    "./doit build": [ROOT / "doit", "build"],
}


def once(argv: list[object]) -> float:
    """Milliseconds of one run as a whole process."""
    began = time.perf_counter()
    subprocess.run(list(map(str, argv)), cwd=ROOT, capture_output=True, check=True)
    return (time.perf_counter() - began) * 1e3


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(runs + 1):
        for name, argv in COMMANDS.items():
            times[name].append(once(argv))
    for found in times.values():
        del found[0]  # warms the caches
    print(f"{'':16}{'min ms':>8}{'median':>8}   to doit --version, median of pairs")
    for name, found in times.items():
        ratios = [a / b for a, b in zip(found, times["doit --version"], strict=True)]
        print(f"{name:16}{min(found):8.1f}{median(found):8.1f}{median(ratios):8.2f}")
    more = median(a - b for a, b in zip(times["./doit build"], times["doit build"], strict=True))
    print(f"the wrapper adds {more:.1f} ms")


if __name__ == "__main__":
    main()
