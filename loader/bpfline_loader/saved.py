# SPDX-License-Identifier: Apache-2.0
"""What a verification keeps: logs and verdict.json in verifier/<uname -r>/, and whether they still hold."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from . import verdict
from .bundle import Program
from .errors import Problem
from .files import write_whole
from .load import ACCEPTED, REFUSED
from .verdict import Verdict

# Bytes of a log that is hashed only where its stamp has changed: 500 MB of sha256 take 0.3 to 2 seconds, and
# every `doit verify` asks. We replace logs and never write into them, so another log has another inode, and
# whoever else writes into one changes its times.
LONG = 1 << 20

_SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.]{0,99}")


def place(home: Path, release: str, beside: str) -> tuple[Path, Path]:
    """The folder of logs, and the file of verdicts in it."""
    place = home / "verifier" / release / beside
    return place, place / (f"{beside}.json" if beside else verdict.FILE)


def log_names(programs: Sequence[Program]) -> list[str]:
    """The name of each program's log file: the program's own and ".log".

    A name that is empty or not [A-Za-z0-9_.], begins with a dot or has more than 100 characters is
    written with "_" for each other character, cut, and followed by "-" and 12 hex digits of its sha256.
    Programs of one name in several sections get "-2", "-3".
    """
    names = []
    taken: dict[str, int] = {}
    for program in programs:
        name = program.name
        if not _SAFE_NAME.fullmatch(name):
            digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
            name = re.sub(r"^$|^\.|[^A-Za-z0-9_.]", "_", name)[:100] + f"-{digest}"
        number = taken[program.name] = taken.get(program.name, 0) + 1
        names.append(f"{name}-{number}.log" if number > 1 else f"{name}.log")
    return names


def remove_others(place: Path, results: Sequence[Verdict]) -> None:
    """Logs of programs that are gone, or for which none was asked."""
    kept = {Path(result.log).name for result in results if result.log}
    for path in (*place.glob("*.log"), *place.glob("*.log.json")):  # the latter is of the build side
        if path.name.removesuffix(".json") not in kept:
            try:
                path.unlink()
            except OSError as error:
                raise Problem(f"cannot be removed: {error.strerror}", where=path) from None


def shown(path: Path | None) -> str | None:
    """path as the user knows it: relative where it is below the current directory."""
    if path is None:
        return None
    whole, here = Path(os.path.abspath(path)), Path.cwd()  # noqa: PTH100 - resolve() would follow links
    return str(whole.relative_to(here) if whole.is_relative_to(here) else whole)


def with_log(row: Verdict, log: bytes, path: Path) -> Verdict:
    """row, and its log in the file path."""
    write_whole(path, log)
    return dataclasses.replace(row, log=shown(path), log_sha256=hashlib.sha256(log).hexdigest())


def stands(old: Verdict, path: Path | None, known: Mapping[str, object]) -> bool:
    """Whether an earlier verdict was the kernel's, and its log is still what it was."""
    # A file that was edited by hand must at least not contradict itself.
    if old.verdict not in (ACCEPTED, REFUSED) or (old.verdict == ACCEPTED) == bool(old.errno or old.message):
        return False
    try:
        if path is None:
            return True
        stamp = _stamp(path)
        return (stamp is not None and known.get(str(old.log_sha256)) == stamp) or (
            _sha256_of(path) == old.log_sha256
        )
    except OSError:
        return False


def _stamp(path: Path) -> list[int] | None:
    """How a long log looks from outside; None for one that is soon hashed."""
    status = path.stat()
    if status.st_size < LONG:
        return None
    return [status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def stamps(results: Sequence[Verdict]) -> dict[str, list[int]]:
    """Those of the logs of results."""
    found = {}
    for row in results:
        if row.log is not None and row.log_sha256 is not None:
            with suppress(OSError):
                stamp = _stamp(Path(row.log))
                if stamp is not None:
                    found[row.log_sha256] = stamp
    return found


def taken_over(old: Verdict, blank: Verdict, path: Path | None) -> Verdict:
    # Who built the same instructions, and from where we look at the log, may have changed.
    return dataclasses.replace(
        old, object=blank.object, clang=blank.clang, mcpu=blank.mcpu, cached=True, log=shown(path)
    )


def _sha256_of(path: Path) -> str:
    """A log may have hundreds of megabytes."""
    whole = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            whole.update(chunk)
    return whole.hexdigest()
