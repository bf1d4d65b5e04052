# SPDX-License-Identifier: Apache-2.0
"""doit's database of what was built: sqlite3, kept after each task, and never in the way of a build."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from pathlib import Path
from typing import Any

from doit.dependency import DatabaseException, SqliteDB

from .project import BUILD
from .terminal import say

FILE = BUILD / ".doit.db"


class _Checked:
    """doit's codec with a digest before each record. _LAYOUT: changes with what a record holds."""

    _LAYOUT = b"1"

    def __init__(self, codec: Any):
        self._codec = codec

    def encode(self, data: Any) -> str:
        text = self._codec.encode(data)
        return f"{self._digest(text)} {text}"

    def decode(self, record: str) -> Any:
        digest, _, text = record.partition(" ")
        if digest != self._digest(text):
            raise ValueError("not what was written")
        return self._codec.decode(text)

    def _digest(self, text: str) -> str:
        return hashlib.sha256(self._LAYOUT + text.encode(errors="surrogatepass")).hexdigest()[:16]


class TaskStates(SqliteDB):
    """doit's sqlite3 backend with three mends.

    It commits when a task is done, not when all are: after SIGKILL a finished task stays finished.
    A damaged file is thrown away, a damaged record is none: what it told of is built again, which is
    slow and right.
    And when it cannot be written (a full disk, build/ removed meanwhile), the build goes on.
    """

    desc = "sqlite3, committed after each task"
    _told = False  # that it cannot be written

    def __init__(self, name: str, codec: Any, *, module_name: str | None = None):
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._open(name, codec, module_name)
        except (sqlite3.Error, DatabaseException, UnicodeDecodeError):
            if path.is_dir():
                shutil.rmtree(path)
            for suffix in ("", "-journal", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            say(f"{path}: warning: was damaged and is begun anew; everything is built again")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._open(name, codec, module_name)
            except (sqlite3.Error, DatabaseException):  # build/ goes again and again, or is full
                self._open(":memory:", codec, module_name)

    def _open(self, name: str, codec: Any, module_name: str | None) -> None:
        super().__init__(name, _Checked(codec), module_name=module_name)
        # Whoever else has opened it is no build: the project's lock keeps those apart.
        self._conn.execute("pragma busy_timeout = 250")
        # A lost write after a power failure costs one build; an fsync for each task costs every build.
        self._conn.execute("pragma synchronous = off")
        if self._conn.execute("pragma quick_check").fetchone() != {"quick_check": "ok"}:
            self._conn.close()
            raise sqlite3.DatabaseError("quick_check")
        self._conn.execute("select count(task_id), count(task_data) from doit")

    def _get_task_data(self, task_id: str) -> dict[str, Any]:
        try:
            return super()._get_task_data(task_id) or {}
        except (sqlite3.Error, ValueError):
            return {}

    def set(self, task_id: str, dependency: str, value: object) -> None:
        super().set(task_id, dependency, value)
        if dependency == "deps:":  # the last that doit sets when a task succeeded
            self._guarded(self._commit)

    def remove(self, task_id: str) -> None:
        self._guarded(lambda: super(TaskStates, self).remove(task_id))
        self._guarded(self._conn.commit)

    def dump(self) -> None:
        self._guarded(super().dump)

    def _commit(self) -> None:
        for task_id in sorted(self._dirty):
            self._conn.execute(
                "insert or replace into doit values (?,?)", (task_id, self.codec.encode(self._cache[task_id]))
            )
        self._conn.commit()
        self._dirty.clear()

    def _guarded(self, write: Any) -> None:
        try:
            write()
        except sqlite3.Error as error:
            if self._told:
                return
            self._told = True
            say(f"{self.name}: warning: cannot be written ({error}); the next build does more than it must")
