# SPDX-License-Identifier: Apache-2.0
"""Verifying a bundle: every program through the kernel's verifier, its log and verdict kept."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import ContextManager, Optional, Tuple

from . import bundle as bundle_
from . import hints, kernel, maps, privileges, saved, verdict
from .attach_target import Others
from .bundle import Bundle, Program
from .errors import KernelError, Lacking, Problem
from .files import write_whole
from .fingerprint import Fingerprints
from .load import Attempt, unsupported
from .log import MODES
from .object import Object, opened
from .verdict import Verdict

ERROR = "error"  # the verdict of a program that could not be tried

_Judge = Callable[[Program, Verdict, str], Tuple[Verdict, Optional[bytes]]]


class NotKept(Problem):
    """A file could not be written; the kernel's verdicts are there all the same."""

    def __init__(self, problem: Problem, results: list[Verdict]):
        super().__init__(problem.what, where=problem.where, help=problem.help, status=problem.status)
        self.results = results


def verify(
    bundle: Bundle,
    *,
    mode: str = "auto",
    folder: Path | None = None,
    again: bool = False,
    beside: str = "",
    heard: Callable[[Verdict, bytes], object] | None = None,
    others: Others | None = None,
    around: Callable[[str], ContextManager[object]] = nullcontext,
    running: kernel.Kernel | None = None,
) -> list[Verdict]:
    """The running kernel's verdict on each program of bundle, in its order.

    mode: which logs are kept, one of log.MODES. Logs and verdict.json go to verifier/<uname -r>/ in
    folder, or in the bundle's own folder; with neither, heard gets each verdict with its log, and nothing
    is kept. A verdict that stands there for the same program, kernel, loader and mode is taken over
    (cached), unless again. beside: a name; what is kept goes to a folder of that name there, as
    <beside>.json, and touches no other verdict. others: as for object.opened(). around: gives what each
    program that the kernel is asked about is asked within, by its name. running: kernel.running(), for who
    asks of many bundles. One program's failure does not stop the others, but a map that cannot be made or an
    extern that cannot be found stops all, as with libbpf. NotKept where a file cannot be written: after all
    programs were tried.
    """
    bundle, note = _sized(bundle)
    release = os.uname().release
    home = folder or bundle.folder
    blanks = [
        Verdict(
            object=bundle.object,
            program=program.name,
            section=program.section,
            type=program.type,
            kernel=release,
            verdict=ERROR,
            clang=bundle.clang,
            mcpu=bundle.mcpu,
            note=note,
        )
        for program in bundle.programs
    ]
    if home is None:
        rows = []
        with _judging(bundle, others) as judge:
            for program, blank in zip(bundle.programs, blanks):  # noqa: B905
                row, log = judge(program, blank, "none" if heard is None else mode)
                rows.append(row)
                if heard is not None and log is not None:
                    heard(row, log)
        return rows

    place, file = saved.place(home, release, beside)
    earlier = {} if again else {(row.program, row.section): row for row in verdict.read(file)}
    stamps = {} if again else verdict.read_stamps(file)
    surroundings = _surroundings(bundle.license, mode, running or kernel.running())
    fingerprints = Fingerprints(bundle)
    results, unkept = [], None
    with _judging(bundle, others) as judge:
        for program, blank, name in zip(bundle.programs, blanks, saved.log_names(bundle.programs)):  # noqa: B905
            path = None if mode == "none" else place / name
            key = _key(fingerprints.of(program), surroundings)
            old = earlier.get((program.name, program.section))
            if old is not None and key and old.key == key and saved.stands(old, path, stamps):
                results.append(saved.taken_over(old, blank, path))
                continue
            with around(program.name):
                row, log = judge(program, dataclasses.replace(blank, key=key), mode)
            try:
                results.append(row if path is None or log is None else saved.with_log(row, log, path))
            except Problem as problem:
                unkept = problem
                results.append(dataclasses.replace(row, key=""))  # not to be taken over
    try:
        write_whole(file, verdict.encode(results, saved.stamps(results)))
    except Problem as problem:
        if not all(row.cached for row in results):  # what stands there says the same
            unkept = problem
    else:
        if unkept is None:
            saved.remove_others(place, results)
    if unkept is not None:
        raise NotKept(unkept, results)
    return results


def kept(bundle: Bundle, *, beside: str = "") -> list[Verdict | None]:
    """The verdict that stands in the bundle's folder for each program, in its order, whichever log it was
    asked for with: the kernel need not be asked again. None where there is none."""
    bundle, _ = _sized(bundle)
    if bundle.folder is None:
        return [None] * len(bundle.programs)
    running = kernel.running()
    place, file = saved.place(bundle.folder, running.release, beside)
    earlier = {(row.program, row.section): row for row in verdict.read(file)}
    if not earlier:
        return [None] * len(bundle.programs)
    stamps = verdict.read_stamps(file)
    surroundings = [_surroundings(bundle.license, mode, running) for mode in MODES]
    fingerprints = Fingerprints(bundle)
    found: list[Verdict | None] = []
    for program, name in zip(bundle.programs, saved.log_names(bundle.programs)):  # noqa: B905
        row = earlier.get((program.name, program.section))
        path = None if row is None or row.log is None else place / name
        fingerprint = fingerprints.of(program)
        keys = {_key(fingerprint, each) for each in surroundings} - {""}
        stands = row is not None and row.key in keys and saved.stands(row, path, stamps)
        found.append(dataclasses.replace(row, cached=True, log=saved.shown(path)) if row and stands else None)
    return found


@contextmanager
def _judging(bundle: Bundle, others: Others | None) -> Iterator[_Judge]:
    """Gives a function that loads a program and lets it go again: its verdict and its log, None where it
    could not be tried. The object is opened when it is first called, once."""
    with ExitStack() as stack:
        opening: list[Object | Problem] = []

        def judge(program: Program, blank: Verdict, mode: str) -> tuple[Verdict, bytes | None]:
            try:
                if not opening:
                    opening.append(_opened(bundle, stack, others))
                if isinstance(opening[0], Problem):
                    raise opening[0]
                attempt = opening[0].load(program, mode=mode)
            except Lacking as error:
                attempt = unsupported(error)
            except Problem as error:
                message = f"{error.what}; {error.help}" if error.help else error.what
                name = error.errno if isinstance(error, KernelError) else None
                return dataclasses.replace(blank, errno=name, message=message), None
            if attempt.fd is not None:
                os.close(attempt.fd)
            return _row(attempt, blank), attempt.log

        try:
            yield judge
        finally:
            opening.clear()  # a Problem has a traceback, which holds on to all that stands here


def _opened(bundle: Bundle, stack: ExitStack, others: Others | None) -> Object | Problem:
    def sized(name: str) -> Bundle:
        return _sized(others(name) if others else bundle_.beside(bundle, name))[0]

    try:
        return stack.enter_context(opened(bundle, others=sized))
    except Problem as error:
        return error


def _sized(bundle: Bundle) -> tuple[Bundle, str]:
    """The bundle with a size for each map whose size a process sets before loading, and what to say of it."""
    sized = tuple(map(maps.sized, bundle.maps))
    changed = [wanted.name for wanted, before in zip(sized, bundle.maps) if wanted is not before]  # noqa: B905
    if not changed:
        return bundle, ""
    note = f"max_entries of {', '.join(changed)} is 0 until a process sets it: verified with 1"
    return dataclasses.replace(bundle, maps=sized), note


def _row(attempt: Attempt, blank: Verdict) -> Verdict:
    info = attempt.info
    return dataclasses.replace(
        blank,
        verdict=attempt.verdict,
        errno=attempt.errno,
        **dataclasses.asdict(attempt.stats),
        xlated_bytes=info.xlated_bytes if info else None,
        jited_bytes=info.jited_bytes if info else None,
        tag=info.tag if info else None,
        message=attempt.message,
        note="; ".join(filter(None, [attempt.note, blank.note])),
    )


def _surroundings(license: str, mode: str, running: kernel.Kernel) -> str:  # noqa: A002
    """What a verdict depends on besides the program."""
    with privileges.raised():
        # Without CAP_PERFMON the verifier also refuses what Spectre could use (bpf_bypass_spec_v1).
        held = sorted(hints.capabilities())
    return json.dumps([license, mode, dataclasses.astuple(running), held, loader_digest()])


def _key(fingerprint: str | None, surroundings: str) -> str:
    return _sha256(f"{fingerprint}\0{surroundings}".encode()) if fingerprint else ""


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@functools.lru_cache(maxsize=1)
def loader_digest() -> str:
    """sha256 of this package's own code: its .py files, or the archive that it was imported from."""
    package = Path(__file__).parent
    files = sorted(package.rglob("*.py")) or [path for path in package.parents if path.is_file()]
    whole = hashlib.sha256()
    for path in files:
        code = path.read_bytes()
        whole.update(f"{os.path.relpath(path, package)}\0{len(code)}\0".encode())
        whole.update(code)
    return whole.hexdigest()
