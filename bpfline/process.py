# SPDX-License-Identifier: Apache-2.0
"""The one place that starts processes: no shell, an explicit environment, stdin closed."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bpfline_loader import privileges

from .errors import ToolError, printable

# What a tool gets of our environment. CPATH, C_INCLUDE_PATH and the like are left out: clang would
# find headers by them that no setting names, and a build would depend on who runs it.
PASSED_ON = ("PATH", "HOME", "TMPDIR", "CCACHE_DIR", "LD_LIBRARY_PATH")

_running: set[subprocess.Popen[bytes]] = set()
_running_lock = threading.Lock()
_stopped = threading.Event()


@dataclass(frozen=True)
class Result:
    """How a process ended. returncode: as subprocess gives it, -N for signal N."""

    argv: tuple[str, ...]
    returncode: int
    stdout: bytes
    stderr: bytes

    @property
    def ended(self) -> str:
        """How it ended, with the command to paste into a terminal."""
        how = f"signal {-self.returncode}" if self.returncode < 0 else f"exit status {self.returncode}"
        return f"{how} of: {printable(shlex.join(self.argv))}"


def environment() -> dict[str, str]:
    """The environment that tools get: a few variables of ours and LC_ALL=C.UTF-8."""
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {"PATH": os.defpath, **passed, "LC_ALL": "C.UTF-8"}


def run(argv: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Result:
    """Run argv to its end and keep what it wrote. ToolError where it cannot be started."""
    try:
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            env=environment() if env is None else env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # A group of its own: Ctrl-C reaches us alone, and stop_all() the tool's own children too.
            process_group=0,
            **as_user(),
        )
    except FileNotFoundError:
        if not (cwd or Path()).is_dir():
            raise ToolError("is gone", where=cwd or Path.cwd(), help="run it again") from None
        raise ToolError(
            "is not installed", where=argv[0], help="bpfline doctor says what is missing"
        ) from None
    except (OSError, ValueError) as error:
        raise ToolError(f"cannot be started: {error}", where=argv[0]) from None
    with running(process):
        stdout, stderr = process.communicate()
    return Result(tuple(argv), process.returncode, stdout, stderr)


@contextmanager
def running(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """While we wait for process: it ends with us, however we end. KeyboardInterrupt after stop_all()."""
    with _running_lock:
        _running.add(process)
    try:
        if not _stopped.is_set():
            yield
        if _stopped.is_set():
            raise KeyboardInterrupt
    except BaseException:
        _kill(process)
        process.wait()
        raise
    finally:
        with _running_lock:
            _running.discard(process)


def stop_all() -> None:
    """End every process that a thread of ours still waits for, and any that one starts from now on:
    nobody wants its result any more."""
    with _running_lock:
        _stopped.set()
        for process in _running:
            _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End process, and its children where it leads a group of its own."""
    if process.poll() is not None:
        return
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        process.kill()


def as_user() -> dict[str, Any]:
    """Popen's arguments that give a tool no way back to root, when this process was lowered from it."""
    return {"user": os.geteuid(), "group": os.getegid()} if privileges.can_raise() else {}
