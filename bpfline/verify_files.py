# SPDX-License-Identifier: Apache-2.0
"""bpfline verify FILE.o ...: the kernel's verdicts on objects built elsewhere, without a project."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bpfline_loader import load, table, verdict, verify, workers
from bpfline_loader.bundle import Bundle
from bpfline_loader.verdict import Verdict

from . import elf, refusals, set_option, spec
from .elf import ObjectFile
from .errors import OK, UNABLE, Problem, SettingsError, printable
from .settings import ObjectSettings
from .terminal import say

if TYPE_CHECKING:
    from .refusals import Reason
    from .report.results import Result

_EM_BPF = 247  # linux/elf-em.h


@dataclass(frozen=True)
class Options:
    """log: one of log.MODES. log_dir: where logs and verdict.json go, or None. type: that of programs
    whose section does not tell, and of freplace. constants: values for global variables. report: whether
    the results for reports are wanted; reasons: whether somebody reads why programs were refused."""

    log: str = "none"
    log_dir: Path | None = None
    type: str | None = None
    constants: Mapping[str, str] = field(default_factory=dict)
    report: bool = False
    reasons: bool = True


@dataclass(frozen=True)
class Judged:
    """What became of one file. said: for standard error. reasons: why programs were refused. results: what
    reports tell of the verdicts, empty without reports."""

    verdicts: tuple[Verdict, ...] = ()
    said: tuple[str, ...] = ()
    status: int = OK
    reasons: Mapping[Verdict, Reason] = field(default_factory=dict)
    results: tuple[Result, ...] = ()


def run(paths: Sequence[Path], options: Options, *, jobs: int | None = None) -> Judged:
    """The verdicts on the programs of each file, in the order given.

    The largest files come first, so that no worker is left with one of them at the end. What is said of
    a file goes to standard error, in the order of the files too. status: what all of it asks for.
    """
    for path in paths:
        if path.is_dir():
            raise SettingsError("is a folder", where=path, help=f"name the files: {path}/*.o")
    set_option.check(options.constants, paths)
    names = _names(paths)
    homes = names if options.log_dir is None else _homes(names, paths)
    jobs = jobs or workers.count(len(paths))
    by_size = sorted(range(len(paths)), key=lambda index: -_size(paths[index]))
    found: dict[int, Judged] = {}
    work = workers.each(lambda index: _file(paths[index], names[index], homes[index], options), by_size, jobs)
    with closing(work), _Progress(len(paths)) as progress:
        for index, result in work:
            if isinstance(result, workers.Crash):
                problem = Problem(f"the worker that verified it ended with {result.how}", where=paths[index])
                result = _unreadable(names[index], problem, paths[index], options)
            found[index] = result
            progress.show(len(found), paths[index])
    judged = [found[index] for index in range(len(paths))]
    for words in (words for each in judged for words in each.said):
        say(words)
    verdicts = tuple(row for each in judged for row in each.verdicts)
    status = max((table.status(verdicts), *(each.status for each in judged)))
    reasons = {row: reason for each in judged for row, reason in each.reasons.items()}
    return Judged(verdicts, (), status, reasons, tuple(row for each in judged for row in each.results))


def _names(paths: Sequence[Path]) -> list[str]:
    """What each file's object is called: as libbpf does, but by its whole path where two would be one."""
    plain = [path.name.removesuffix(".o").removesuffix(".bpf") for path in paths]
    return [str(path) if plain.count(name) > 1 else name for path, name in zip(paths, plain, strict=True)]


def _homes(names: Sequence[str], paths: Sequence[Path]) -> list[str]:
    """The name of each object's folder in --log-dir: its own where that can be one and no other has it,
    else with 12 hex digits of the sha256 of its path."""
    from .sections import safe_name  # most want no logs

    plain = [safe_name(name) for name in names]
    count = Counter(plain)
    return [
        home if home == name and count[home] == 1 else f"{home}-{_digest(path)}"
        for home, name, path in zip(plain, names, paths, strict=True)
    ]


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _file(path: Path, name: str, home: str, options: Options) -> Judged:
    """Read, link and verify one file."""
    try:
        data = elf.contents(path)
        if other := _not_bpf(data):
            return Judged(said=(f"{printable(str(path))}: note: {other}, and is left out",))
        object_file = elf.parse_fast(data, path)
        if not any(section.executable and section.size for section in object_file.sections):
            return Judged(said=(f"{printable(str(path))}: note: holds no program",))
        return _object(object_file, name, home, options)
    except Problem as problem:
        return _unreadable(name, problem, path, options)


def _not_bpf(data: bytes) -> str:
    """What a file is that is no ELF file for BPF, in a few words; "" for one that is or is meant to be."""
    if data and not data.startswith(b"\x7fELF"):
        return "is not an ELF file"
    machine = int.from_bytes(data[18:20], "big" if data[5:6] == b"\x02" else "little")  # e_machine
    return "" if machine == _EM_BPF or len(data) < 20 else f"is not for BPF (e_machine {machine})"


def _object(object_file: ObjectFile, name: str, home: str, options: Options) -> Judged:
    made = spec.spec(
        object_file,
        name=Path(name).name,
        source=str(object_file.path),
        settings=ObjectSettings(type=options.type),
        clang=None,
        mcpu=None,
        constants=options.constants,
        freplace=options.type,
    )
    bundle = dataclasses.replace(made.bundle, object=name)
    failed = [
        dataclasses.replace(_blank(name), program=failure.program, section=failure.section,
                            message=failure.problem.what)
        for failure in made.failures
    ]  # fmt: skip
    unkept: list[verify.NotKept] = []
    rows, logs = _verdicts(bundle, home, options, unkept)
    every = made.in_order(rows, failed)
    reasons, results = _told(every, bundle, object_file.path, options, logs)
    said = (*made.warnings, *map(str, (*(failure.problem for failure in made.failures), *unkept)))
    status = max([OK, *(problem.status for problem in unkept)])
    return Judged(every, said, status, reasons, results)


def _verdicts(
    bundle: Bundle, home: str, options: Options, unkept: list[verify.NotKept]
) -> tuple[list[Verdict], dict[Verdict, bytes]]:
    """The kernel's verdicts; where no logs are kept and reasons are wanted, the logs of refused programs.
    unkept: gets why files could not be written."""
    if options.log_dir is not None:
        try:
            rows = verify.verify(bundle, mode=options.log, folder=options.log_dir / home, again=True)
        except verify.NotKept as problem:
            unkept.append(problem)
            rows = problem.results
        return [_naming_type(row, options) for row in rows], {}
    logs: dict[Verdict, bytes] = {}

    def heard(row: Verdict, log: bytes) -> None:
        if row.verdict == load.REFUSED:
            logs[row] = log

    rows = verify.verify(bundle, mode="refused", again=True, heard=heard if options.reasons else None)
    return [_naming_type(row, options) for row in rows], logs


def _naming_type(row: Verdict, options: Options) -> Verdict:
    """row; of a freplace program that could not be tried, with what to do here, where no project can say
    what it extends."""
    if row.type != "ext" or row.verdict != verify.ERROR or options.type is not None:
        return row
    what = row.message.partition("; ")[0]
    return dataclasses.replace(row, message=f"{what}; --type TYPE verifies it as a program of that type")


def _unreadable(name: str, problem: Problem, path: Path, options: Options) -> Judged:
    row = dataclasses.replace(_blank(name), message=problem.what)
    said, status = (str(problem),), max(UNABLE, problem.status)
    reasons, results = _told((row,), None, path, options, {})
    return Judged((row,), said, status, reasons, results)


def _told(
    rows: Sequence[Verdict],
    bundle: Bundle | None,
    path: Path,
    options: Options,
    logs: Mapping[Verdict, bytes],
) -> tuple[dict[Verdict, Reason], tuple[Result, ...]]:
    """Why programs were refused, and what reports tell; worked out where the bundle is, by the worker."""
    told = rows if options.report else [row for row in rows if row.verdict == load.REFUSED]
    if not told or not (options.report or options.reasons):
        return {}, ()
    from .report import results

    found = results.of_object(told, bundle, source=None, object_file=path, logs=logs)
    reasons = {
        each.verdict: refusals.reason(each.diagnosis, each.verdict.log)
        for each in found
        if options.reasons and each.diagnosis is not None
    }
    return reasons, found if options.report else ()


def _blank(name: str) -> Verdict:
    """A row for what could not be tried."""
    return Verdict(name, "", "", "", os.uname().release, verify.ERROR)


def constants(words: Sequence[str]) -> dict[str, str]:
    return set_option.parse(words)


def show(judged: Judged, shape: str) -> None:
    """Print verdicts as "json", "csv" or as a "table" for people, with the reasons of refusals."""
    verdicts = judged.verdicts
    why = judged.reasons
    if shape == "json":
        import json

        rows = [
            {**dataclasses.asdict(row), "diagnosis": why[row].brief if row in why else None}
            for row in verdicts
        ]
        print(json.dumps({"schema": verdict.SCHEMA, "results": rows}, indent=1))
    elif shape == "csv":
        import csv

        out = csv.writer(sys.stdout, lineterminator="\n")
        out.writerow(field.name for field in dataclasses.fields(Verdict))
        out.writerows(dataclasses.astuple(row) for row in verdicts)
    else:  # what could not be read has no program, and was said
        shown = [
            dataclasses.replace(row, message="") if row in why else row for row in verdicts if row.program
        ]
        table.print_verdicts(shown, sys.stdout)
        refusals.show(list(why.values()))


class _Progress:
    """How far it is, on a terminal, while nothing else is said."""

    def __init__(self, total: int):
        self._total = total
        self._on = sys.stderr.isatty() and total > 1

    def __enter__(self) -> _Progress:
        return self

    def show(self, done: int, path: Path) -> None:
        if self._on:
            print(f"\r\x1b[K{done}/{self._total} {printable(path.name)}", end="", file=sys.stderr, flush=True)

    def __exit__(self, *_: object) -> None:
        if self._on:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
