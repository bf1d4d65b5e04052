# SPDX-License-Identifier: Apache-2.0
"""What was worked out of a long log, kept beside it as <log>.json: to read 500 MB takes seconds, and each
`doit verify` reports all logs that stand.

It holds for the log's sha256, for the program with its lines, and for our own code. The sha256 is that of
the verdict, which the loader has just checked (bpfline_loader.verify: it hashes a long log only where inode,
size or times have changed). The file is JSON, of which only values of the types that are expected are taken;
where it is missing, of something else or damaged, all is worked out again.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import types
import typing
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from bpfline_loader.errors import Problem
from bpfline_loader.files import write_whole
from bpfline_loader.saved import LONG
from bpfline_loader.verdict import Verdict
from bpfline_loader.verify import loader_digest

from .inputs import digest_of
from .program_lines import ProgramLines

T = TypeVar("T")


@dataclass
class Worked:
    """What is known of one log. path: where it is kept; None where nothing is, as for a short log, and for
    one outside of a project."""

    path: Path | None = None
    key: str = ""
    _known: dict[str, Any] | None = field(default=None, repr=False, compare=False)

    def get(self, name: str, kind: Any, work: Callable[[], T]) -> T:
        """The value of that name: the one that is kept if it is of type kind, else what work() gives."""
        if self.path is None:
            return work()
        if self._known is None:
            self._known = self._read(self.path)
        with suppress(KeyError, TypeError, ValueError, AttributeError, RecursionError):
            value: T = _as(kind, self._known[name])
            return value
        value = work()
        self._known[name] = _plain(value)
        with suppress(Problem):  # it was to save time, and is no reason to fail
            write_whole(self.path, json.dumps({"key": self.key, **self._known}).encode())
        return value

    def _read(self, path: Path) -> dict[str, Any]:
        with suppress(OSError, ValueError, RecursionError):
            found = json.loads(path.read_bytes())
            if isinstance(found, dict) and found.pop("key", None) == self.key:
                return found
        return {}


def of(row: Verdict, lines: ProgramLines | None) -> Worked:
    """What is kept of the log of row, a verdict on a program of a project. lines: those of the program."""
    with suppress(OSError):
        if row.log is not None and row.log_sha256 is not None and Path(row.log).stat().st_size >= LONG:
            key = digest_of(_code(), row.log_sha256, row.object, row.program, row.errno, lines)
            return Worked(Path(f"{row.log}.json"), key)
    return Worked()


@functools.cache
def _code() -> str:
    """The digest of our own code: what it makes of a log changes with it."""
    files = sorted(Path(__file__).parent.rglob("*.py"))
    return digest_of(loader_digest(), *(path.read_bytes() for path in files))


def _plain(value: Any) -> Any:
    """value as json.loads() would give it back."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: _plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
    return [_plain(each) for each in value] if isinstance(value, tuple | list) else value


def _as(kind: Any, value: Any) -> Any:
    """value as one of kind: a dataclass, a tuple, a list, a union with None, or a plain type. TypeError where
    it is none."""
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = _hints(kind)
        if value.keys() != hints.keys():
            raise TypeError(kind)
        return kind(**{name: _as(hint, value[name]) for name, hint in hints.items()})
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        (one,) = (each for each in arguments if each is not types.NoneType)
        return None if value is None else _as(one, value)
    if origin in (tuple, list):
        if type(value) is not list:
            raise TypeError(kind)
        if origin is list or arguments[1:] == (...,):
            return origin(_as(arguments[0], each) for each in value)
        return tuple(_as(one, each) for one, each in zip(arguments, value, strict=True))
    if type(value) is not kind:
        raise TypeError(kind)
    return value


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)
