# SPDX-License-Identifier: Apache-2.0
"""Runs of the loader as a child process, and what the kernel holds, for the tests."""

from __future__ import annotations

import ctypes
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpfline_loader
from bpfline_loader.syscalls import syscall

LOADER = Path(bpfline_loader.__file__).parent.parent
RUN = (sys.executable, "-m", "bpfline_loader", "run")
_BPF_PROG_GET_NEXT_ID = 11  # enum bpf_cmd, linux/bpf.h

# Executes /bin/true five times on one processor; each of those processes executes exactly once.
_EXECUTE = """
import os, subprocess, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
for _ in range(5):
    child = subprocess.Popen(["/bin/true"])
    child.wait()
    print(child.pid)
"""


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(LOADER)}


class Run:
    """A run of the loader in the background; it is killed at the latest when the context ends."""

    def __init__(self, folder: Path, *arguments: object, before: tuple[str, ...] = (), **options: Any):
        self.err = folder / f"err-{time.monotonic_ns()}"
        with self.err.open("wb") as err:
            options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, **options}
            self.process = subprocess.Popen(
                [*before, *RUN, *map(str, arguments)], stderr=err, env=environment(), **options
            )

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def messages(self) -> str:
        return self.err.read_text()

    def attached(self) -> Run:
        """self, as soon as it has said that it is attached."""
        until(lambda: "Ctrl-C ends" in self.messages() or self.process.poll() is not None)
        assert "Ctrl-C ends" in self.messages(), self.messages()
        return self

    def end(self, number: int | None = None) -> str:
        """Send a signal, if one is given, and wait: what was on standard output."""
        if number is not None:
            self.process.send_signal(number)
        return self.process.communicate(timeout=30)[0].decode()


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Wait until condition holds; an AssertionError says that it never did."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "never came true"
        time.sleep(0.01)


def execute(cpu: int) -> list[str]:
    """Execute /bin/true on a processor, several times: the ids of those processes."""
    return subprocess.run(
        [sys.executable, "-c", _EXECUTE, str(cpu)], stdout=subprocess.PIPE, check=True, text=True
    ).stdout.split()


def program_ids() -> set[int]:
    """The id of every program that is loaded on this machine."""
    ids = {0}
    while True:
        attr = ctypes.create_string_buffer(struct.pack("=III", max(ids), 0, 0))
        try:
            syscall("bpf", _BPF_PROG_GET_NEXT_ID, ctypes.byref(attr), 12)
        except FileNotFoundError:
            return ids - {0}
        ids.add(struct.unpack_from("=II", attr.raw)[1])


def mounts() -> str:
    return Path("/proc/self/mountinfo").read_text()


def run_to_the_end(folder: Path, *arguments: object, **options: Any) -> tuple[int, str, str]:
    """Exit status, standard output and messages of a run that ends by itself."""
    with Run(folder, *arguments, **options) as run:
        out = run.end()
        return run.process.returncode, out, run.messages()


TERMINATING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
