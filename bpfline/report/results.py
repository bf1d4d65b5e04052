# SPDX-License-Identifier: Apache-2.0
"""The results: what every report is made of, one row for each program on each kernel."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from bpfline_loader import bundle as bundle_
from bpfline_loader.bundle import Bundle
from bpfline_loader.errors import BundleError, Problem
from bpfline_loader.load import REFUSED
from bpfline_loader.verdict import Verdict
from bpfline_loader.verify import kept

from .. import program_lines, verifier_log, watch, worked
from ..cost import Cost, whole_of
from ..cost.project import BESIDE
from ..program_lines import Place, ProgramLines
from ..project import Project
from ..worked import Worked

if TYPE_CHECKING:
    from ..budget import Broken
    from ..compare import Change
    from ..diagnosis import Diagnosis
    from ..failure import Failure


_ABOVE = 200  # lines of a source in which a function's name stands above its first instruction
_SOURCE = 1 << 20  # bytes of a source

# What a result means for a build, best first.
PASSED, SKIPPED, FAILED, ERROR = "passed", "skipped", "failed", "error"


@dataclass(frozen=True)
class Result:
    """One program on one kernel, with all that is known of it.

    source: its file, relative to the project. object_file: what it was loaded from. function: where the
    program's own function begins. lines: the places of its instructions. log: the file with the verifier's
    log, and its digest: that of verdict, or the fuller one that `doit cost` kept. expected: the settings say
    that it is to be refused. cost: where the verifier spent its work, None where the log does not show all of
    it. worked: what was worked out of that log before. change, broken: as compare.py and budget.py give them,
    None or () where they were not asked for. failures: what else makes it fail, such as a change.
    """

    verdict: Verdict
    source: str | None = None
    object_file: Path | None = None
    function: Place | None = None
    lines: ProgramLines | None = None
    log: Path | None = None
    log_sha256: str | None = None
    diagnosis: Diagnosis | None = None
    expected: bool = False
    cost: Cost | None = None
    worked: Worked = field(default_factory=Worked, repr=False)
    change: Change | None = None
    broken: tuple[Broken, ...] = ()
    failures: tuple[Failure, ...] = ()

    @property
    def name(self) -> str:
        """The object, and the program where one is known."""
        verdict = self.verdict
        return f"{verdict.object}/{verdict.program}" if verdict.program else verdict.object

    @property
    def outcome(self) -> str:
        """PASSED, SKIPPED, FAILED or ERROR."""
        if self.verdict.verdict == "error":
            return ERROR
        if self.verdict.verdict == "unsupported":
            return SKIPPED
        refused = self.verdict.verdict == "refused"
        return FAILED if refused != self.expected or self.broken or self.failures else PASSED

    @property
    def place(self) -> Place | None:
        """Where to look: the diagnosis's place, else the function, else the file."""
        if self.diagnosis is not None and self.diagnosis.place is not None:
            return self.diagnosis.place
        if self.function is not None:
            return self.function
        return None if self.source is None else Place(self.source)


@dataclass(frozen=True)
class Results:
    """All of one run, in the order in which they are shown.

    root: the folder that paths are relative to. gone: programs that the baseline has and that are no more.
    baseline: what is to be said of the comparison as a whole, such as that there is no baseline yet; "" if
    nothing.
    """

    rows: tuple[Result, ...]
    root: Path = Path()
    gone: tuple[Change, ...] = ()
    baseline: str = ""

    @property
    def kernels(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row.verdict.kernel for row in self.rows))

    @property
    def worst_first(self) -> tuple[Result, ...]:
        order = (ERROR, FAILED, SKIPPED, PASSED)
        return tuple(sorted(self.rows, key=lambda row: order.index(row.outcome)))


def of_project(
    project: Project, verdicts: Sequence[Verdict], bundles: Mapping[str, Bundle] | None = None
) -> Results:
    """The results of a project, in the order of its objects. bundles: those that do not stand on disk, by
    object."""
    rows: list[Result] = []
    for source in project.sources:
        own = [verdict for verdict in verdicts if verdict.object == source.object]
        if own:
            bundle = (bundles or {}).get(source.object) or _bundle(source.folder)
            with watch.doing(f"report: {source.object}"):
                rows += of_object(
                    own,
                    bundle,
                    source=str(source.path),
                    object_file=source.object_file,
                    fuller=_fuller(own, bundle),
                )
    return Results(tuple(rows))


def _bundle(folder: Path) -> Bundle | None:
    try:
        return bundle_.read(folder)
    except BundleError:
        return None


def _fuller(own: Sequence[Verdict], bundle: Bundle | None) -> dict[Verdict, Verdict]:
    """Of verdicts, those that `doit cost` has of the very same programs, on the same terms."""
    if bundle is None:
        return {}
    traced = {(row.program, row.section): row for row in kept(bundle, beside=BESIDE) if row}
    if not traced:
        return {}
    same = {row.key for row in kept(bundle) if row}  # with --set, a verdict is not of the bundle on disk
    found = {row: traced.get((row.program, row.section)) for row in own if row.key in same}
    return {row: each for row, each in found.items() if each is not None and each.verdict == row.verdict}


def of_object(
    verdicts: Sequence[Verdict],
    bundle: Bundle | None,
    *,
    source: str | None,
    object_file: Path,
    logs: Mapping[Verdict, bytes] = MappingProxyType({}),
    fuller: Mapping[Verdict, Verdict] = MappingProxyType({}),
) -> tuple[Result, ...]:
    """The results of one object. bundle: None where it could not be read. logs: those that no file has.
    fuller: of verdicts whose log does not show all of the work, those whose log does."""
    programs = {(each.name, each.section): each for each in bundle.programs} if bundle else {}
    rows = []
    read = functools.cache(lambda file: _text(file) if source is not None else ())
    for verdict in verdicts:
        program = programs.get((verdict.program, verdict.section))
        lines = program_lines.of(program, bundle) if program and bundle else None
        function = declared(lines.at(0), verdict.program, read) if lines else None
        where = source or (function.file if function else None)
        for logged in [verdict, *([fuller[verdict]] if verdict in fuller else [])]:
            log = None if logged.log is None else Path(logged.log)
            known = worked.of(logged, lines) if source is not None else Worked()
            cost = _cost(log, lines, verdict.program, known)
            if cost is not None:
                break
        why = _diagnosis(verdict, lines, log or logs.get(verdict), cost, known, in_project=source is not None)
        sha256 = logged.log_sha256
        rows.append(
            Result(verdict, where, object_file, function, lines, log, sha256, why, cost=cost, worked=known)
        )
    return tuple(rows)


def declared(first: Place | None, name: str, read: Callable[[str], Sequence[str]]) -> Place | None:
    """Where the function is that begins with an instruction at first: line_info has no line for it, but the
    source has its name above. read: gives the lines of a file."""
    if first is None or not first.line:
        return first
    # `int name(`, or of a macro `int BPF_PROG(name, `
    pattern = re.compile(rf"^[^/;=]*\b({re.escape(name)})\s*[(,)]")
    text = read(first.file)
    for line in range(min(first.line, len(text)), max(0, first.line - _ABOVE), -1):
        if found := pattern.match(text[line - 1]):
            column = len(text[line - 1][: found.start(1)].encode()) + 1
            return Place(first.file, line, column, text[line - 1], first.function)
    return first


def _text(file: str) -> Sequence[str]:
    """The lines of a source of the project; () for what is none: an object may name any file."""
    try:
        path = Path(file).resolve()
        inside = path.is_relative_to(Path.cwd()) and path.is_file() and path.stat().st_size <= _SOURCE
        return path.read_text("utf-8", "replace").split("\n") if inside else ()
    except (OSError, ValueError):  # ValueError: a name that holds a NUL
        return ()


def _cost(log: Path | None, lines: ProgramLines | None, program: str, known: Worked) -> Cost | None:
    if log is None:
        return None
    found = known.get("cost", Cost | None, lambda: whole_of(log, lines, program=program))
    return found if found and found.whole else None  # `doit cost` keeps others, too


def _diagnosis(
    verdict: Verdict,
    lines: ProgramLines | None,
    log: Path | bytes | None,
    cost: Cost | None,
    known: Worked,
    *,
    in_project: bool,
) -> Diagnosis | None:
    """Why a program was refused: of its log, or where none was kept of the verifier's last words."""
    if verdict.verdict != REFUSED:
        return None
    from ..diagnosis import Diagnosis, diagnose  # most programs are accepted

    def work() -> Diagnosis | None:
        try:
            kept = verifier_log.mapped.of(log) if isinstance(log, Path) else log
        except OSError as error:
            raise Problem(f"cannot be read: {error.strerror}", where=log) from None
        words = kept or verdict.message.replace("; ", "\n").encode()
        its_object = verdict.object if in_project else ""
        return diagnose(
            words,
            lines,
            program=verdict.program,
            errno=verdict.errno,
            said=verdict.message,
            object_name=its_object,
            cost=cost,
        )

    return known.get("diagnosis", Diagnosis | None, work)
