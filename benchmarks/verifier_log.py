# SPDX-License-Identifier: Apache-2.0
"""How fast a verifier log is counted and read, beside grep on the same file in the same run.

    python benchmarks/verifier_log.py [LOG]

Without LOG: 100 MB made of the real level 2 logs in tests/data/verifier-logs. Aim: counting reads 50 MB/s
or better on one core, and what a cost takes on top of that does not grow with the log.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "loader"), str(HERE.parent / "tests")]

import golden_logs  # noqa: E402
from bpfline import cost, verifier_log  # noqa: E402

_SIZE = 100_000_000
_RUNS = 3
_INSTRUCTION = r"^[0-9]*: (\([0-9a-f][0-9a-f]\) |safe)"


def main(path: Path) -> None:
    size = path.stat().st_size
    print(f"{path.name}: {size / 1e6:.0f} MB")
    peer = _best(lambda: _grep(path))
    _show("grep -cE", size, peer, peer)
    _show("count", size, _best(lambda: _counted(path)), peer)
    _show("cost", size, _best(lambda: _cost(path)), peer)
    _show("stacks", size, _best(lambda: _stacks(path)), peer)
    _show("read", size, _best(lambda: _read(path)), peer)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"peak of memory, with the interpreter: {peak / 1024:.0f} MB")


def _show(what: str, size: int, seconds: float, peer: float) -> None:
    print(f"{what:9} {size / seconds / 1e6:7.0f} MB/s   {peer / seconds:5.2f} of grep's speed")


def _best(run: Callable[[], None]) -> float:
    times = []
    for _ in range(_RUNS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def _grep(path: Path) -> None:
    # Into a pipe: with /dev/null GNU grep ends at the first match.
    subprocess.run(["grep", "-cE", _INSTRUCTION, path], capture_output=True, check=True)


def _counted(path: Path) -> None:
    with path.open("rb") as log:
        verifier_log.count(log)


def _cost(path: Path) -> None:
    cost.of(path.read_bytes())


def _stacks(path: Path) -> None:
    cost.stacks(path.read_bytes())


def _read(path: Path) -> None:
    with path.open("rb") as log:
        for _ in verifier_log.read(log):
            pass


def _made(path: Path) -> Path:
    """A log as long as a large program's, of real lines."""
    logs = b"".join(log.data for log in golden_logs.FIXTURES if log.level == 6)
    with path.open("wb") as made:
        while made.tell() < _SIZE:
            made.write(logs)
    return path


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(_made(Path(folder) / "level2.log"))
