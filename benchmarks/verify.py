# SPDX-License-Identifier: Apache-2.0
"""bpfline's verdicts against veristat's (or bpftool's), on the same objects, in turn in one run.

    sudo .venv/bin/python benchmarks/verify.py [--runs N] [--veristat PATH] [--profile] FILE.o ...

Each tool is a process of its own, as a user would call it. veristat comes with the kernel's sources and
with newer distributions; where it is not installed, each object goes through `bpftool prog loadall`.
The goals: from the objects at most 0.07 of veristat's time, from bundles at most 0.05.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parent.parent
BPFFS = Path("/sys/fs/bpf")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--veristat", default="veristat", help="a name on PATH, or a path")
    parser.add_argument("--profile", action="store_true", help="where the time of bpfline goes, too")
    parser.add_argument("objects", nargs="+", type=Path)
    given = parser.parse_args()
    objects = [path.absolute() for path in given.objects]
    with tempfile.TemporaryDirectory() as place:
        bundles = make_bundles(objects, Path(place))
        compare(objects, bundles, given.veristat, given.runs)
        if given.profile:
            profile(objects, bundles)


def make_bundles(objects: Sequence[Path], place: Path) -> list[Path]:
    """A bundle of each object, as `doit build` writes it but for the layout of its description."""
    from bpfline import elf, parts, spec
    from bpfline.settings import ObjectSettings
    from bpfline_loader.bundle import DESCRIPTION

    folders = []
    for number, path in enumerate(objects):
        made = spec.spec(
            elf.read(path), name=path.stem, source=path.name, settings=ObjectSettings(), clang=None, mcpu=None
        )
        folders.append(place / str(number))
        parts.write(folders[-1], made.bundle)
        (folders[-1] / parts.FILE).rename(folders[-1] / DESCRIPTION)
    return folders


# --- Side by side ------------------------------------------------------------------------------------


def compare(objects: Sequence[Path], bundles: Sequence[Path], veristat: str, runs: int) -> None:
    found = shutil.which(veristat)
    ours = [sys.executable, "-m"]
    commands: dict[str, Callable[[], None]] = {
        "veristat" if found else "bpftool prog loadall": (
            (lambda: call([found, *objects])) if found else (lambda: loadall(objects))
        ),
        "bpfline verify": lambda: call([*ours, "bpfline", "verify", *objects]),
        "bpfline verify -j1": lambda: call([*ours, "bpfline", "verify", "-j1", *objects]),
        "bpfline_loader verify": lambda: call(
            [*ours, "bpfline_loader", "verify", "--again", "--log", "none", *bundles]
        ),
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(runs + 1):
        for name, command in commands.items():
            time.sleep(1)  # the kernel frees the maps and programs of the last one when it has time
            began = time.perf_counter()
            command()
            times[name].append(time.perf_counter() - began)
    peer, *_ = times
    print(f"{len(objects)} objects, {runs} runs in turn\n")
    print(f"{'':24}{'min s':>9}{'median':>9}   of {peer}, median of pairs")
    for name, each in times.items():
        del each[0]  # warms the caches
        ratios = [a / b for a, b in zip(each, times[peer][-len(each) :], strict=True)]
        print(f"{name:24}{min(each):9.3f}{median(each):9.3f}   {median(ratios):.3f}")


def call(argv: Sequence[object]) -> None:
    # Refused programs are no failure of the tool.
    subprocess.run(list(map(str, argv)), cwd=ROOT, capture_output=True)


def loadall(objects: Sequence[Path]) -> None:
    with tempfile.TemporaryDirectory(dir=BPFFS) as pins:
        for number, path in enumerate(objects):
            call(["bpftool", "prog", "loadall", path, f"{pins}/{number}"])


# --- Where the time goes -----------------------------------------------------------------------------


def profile(objects: Sequence[Path], bundles: Sequence[Path]) -> None:
    start = median(seconds(lambda: call([sys.executable, "-c", "pass"])) for _ in range(15))
    imports = median(
        seconds(lambda: call([sys.executable, "-c", "import bpfline.verify_files"])) for _ in range(15)
    )
    print("\nin one process, s:")
    print(f"{'starting Python':32}{start:9.3f}\n{'importing bpfline':32}{imports - start:9.3f}")

    from bpfline import elf, spec, verify_files
    from bpfline_loader import bundle, kernel_btf, syscalls
    from bpfline_loader.verify import verify

    watch = Watch()
    watch.wrap("reading ELF", elf, "parse_fast")
    watch.wrap("BTF, maps, linking: the spec", spec, "spec")
    watch.wrap("names in the kernel's BTF", kernel_btf, "find")
    watch.wrap_everywhere(syscalls.syscall, system_call)
    began = time.perf_counter()
    verify_files.run(objects, verify_files.Options(), jobs=1)
    watch.show("from objects", time.perf_counter() - began)
    began = time.perf_counter()
    for read in watch.timed("reading bundles", lambda: [bundle.read(folder) for folder in bundles]):
        verify(read, mode="none", again=True)
    watch.show("from bundles", time.perf_counter() - began)


def system_call(name: str, *args: Any) -> str:
    commands = {
        0: "MAP_CREATE",
        2: "MAP_UPDATE_ELEM",
        5: "PROG_LOAD",
        15: "OBJ_GET_INFO_BY_FD",
        18: "BTF_LOAD",
    }
    return f"bpf(2) {commands.get(args[0], 'others')}" if name == "bpf" else name


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


class Watch:
    """The time in functions that were wrapped; what one calls of the others is counted there alone."""

    def __init__(self) -> None:
        self._times: dict[str, list[float]] = defaultdict(lambda: [0, 0.0])
        self._inner = [0.0]

    def timed(self, name: str, work: Callable[[], Any]) -> Any:
        self._inner.append(0.0)
        began = time.perf_counter()
        try:
            return work()
        finally:
            whole = time.perf_counter() - began
            entry = self._times[name]
            entry[0] += 1
            entry[1] += whole - self._inner.pop()
            self._inner[-1] += whole

    def wrap(self, name: str, module: Any, function: str) -> None:
        original = getattr(module, function)
        setattr(module, function, lambda *args, **more: self.timed(name, lambda: original(*args, **more)))

    def wrap_everywhere(self, original: Any, name: Callable[..., str]) -> None:
        """Also where it was imported by name."""

        def wrapped(*args: Any) -> Any:
            return self.timed(name(*args), lambda: original(*args))

        for module in list(sys.modules.values()):
            for key, value in list(vars(module).items()):
                if value is original:
                    setattr(module, key, wrapped)

    def show(self, title: str, whole: float) -> None:
        print(f"\n{title:32}{whole:9.3f}    calls")
        for name, (calls, spent) in sorted(self._times.items(), key=lambda item: -item[1][1]):
            print(f"  {name:30}{spent:9.3f}{calls:9}")
        print(f"  {'the rest':30}{whole - self._inner[0]:9.3f}")
        self._times.clear()
        self._inner = [0.0]


if __name__ == "__main__":
    main()
