# SPDX-License-Identifier: Apache-2.0
"""What a step read and wrote, by content: the proof that it need not run again.

doit remembers the files that a task names beforehand. What clang read is known only afterwards,
an input can be saved while its own step runs (pydoit/doit#119), a file may be edited that doit made,
and a header that does not exist is a dependency too. A Receipt holds all of these for one run of a
step; it is kept in doit's database as the task's values.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# A file system's clock ticks only every few milliseconds: a file changed this short before it was
# read can change again without a new time (what git calls racy).
_TICK_NS = 50_000_000

State = tuple[int, int, str] | None
"""A file as it was: (mtime in ns, 0 if that cannot be trusted; size; sha256), or None: it was not there."""

# How far a file's time, which the kernel takes from its last tick, can be behind the clock.
_BEHIND_NS = 20_000_000

_hashed: dict[tuple[str, int, int, int, int], str] = {}


def state(path: str | Path) -> State:
    """The file at path now. A folder, or what cannot be read, counts as changed with its time."""
    try:
        status = os.stat(path)  # noqa: PTH116 - also for str
    except OSError:  # a link that leads nowhere, or a folder that is closed to us, hold nothing either
        return None
    key = (str(path), status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    racy = time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) < _TICK_NS
    digest = None if racy else _hashed.get(key)
    if digest is None:
        try:
            with open(path, "rb") as file:  # noqa: PTH123
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            digest = ""
        if not racy:
            _hashed[key] = digest
    return (0 if racy else status.st_mtime_ns, status.st_size, digest)


def _same(path: str, before: Any) -> bool:
    """Whether path is what it was; its content is read only where its time or size says nothing."""
    if before is None:
        return state(path) is None
    mtime, size, digest = before
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return False
    if status.st_size != size:
        return False
    if status.st_mtime_ns == mtime:
        return True
    now = state(path)
    return now is not None and bool(digest) and now[2] == digest


@dataclass(frozen=True)
class Receipt:
    """One run of a step. key: what it did besides reading files. inputs, outputs: path to State."""

    key: str
    inputs: Mapping[str, State]
    outputs: Mapping[str, State]

    def values(self) -> dict[str, Any]:
        """As doit's database keeps it."""
        return {"key": self.key, "inputs": dict(self.inputs), "outputs": dict(self.outputs)}


def why_stale(values: Mapping[str, Any], key: str) -> str | None:
    """Why a step with these values and key must run, in a few words; None if it need not."""
    if not values:
        return "not built yet"
    if values.get("key") != key:
        return "its settings or tools changed"
    for path, before in values.get("inputs", {}).items():
        if not _same(path, before):
            return f"{path} {_change(path, before)}"
    for path, before in values.get("outputs", {}).items():
        if before is None or not _same(path, before):
            return f"{path} {_change(path, before)}"
    return None


def _change(path: str, before: Any) -> str:
    if state(path) is None:
        return "is gone"
    return "appeared" if before is None else "changed"


def file_clock() -> int:
    """A time in ns that no file which changes from now on will be older than."""
    return time.time_ns() - _BEHIND_NS


def snapshot(paths: Iterable[str | Path]) -> dict[str, State]:
    """Each path with its state now."""
    return {str(path): state(path) for path in paths}


def digest_of(*parts: object) -> str:
    """One sha256 for parts, each by its repr: what goes into a step's key."""
    return hashlib.sha256("\0".join(map(repr, parts)).encode(errors="surrogateescape")).hexdigest()
