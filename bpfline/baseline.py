# SPDX-License-Identifier: Apache-2.0
"""The baseline: the verdicts and figures that a project has accepted, in verifier-baseline.json.

    {
     "schema": 1,
     "baselines": [
      {"kernel": "6.18.2", "machine": "x86_64", "clang": "19.1.7", "mcpu": "v3", "programs": {
       "net/x/main": {"verdict": "accepted", "processed_insns": 16, ...}
      }}
     ]
    }

One line for each program, all sorted: what a commit changes of it is what changed.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bpfline_loader.files import write_whole
from bpfline_loader.load import ACCEPTED
from bpfline_loader.verdict import Verdict, is_figure
from bpfline_loader.verify import ERROR

from .compare import FIGURES, SAME, Change, between, by_name, in_order, table
from .errors import Problem

if TYPE_CHECKING:
    from .project import Project

FILE = Path("verifier-baseline.json")
SCHEMA = 1

_NAME = re.compile(r"(.*)/([\w.$]*)(?: \((.*)\))?")  # as compare.by_name() makes them


@dataclass(frozen=True, order=True)
class Key:
    """What figures depend on besides the source: those of different keys are not compared.

    kernel: uname -r; machine: uname -m; clang, mcpu: as in the verdict, "" where it has none.
    """

    kernel: str
    machine: str
    clang: str
    mcpu: str

    def __str__(self) -> str:
        return f"kernel {self.kernel}, {self.machine}, clang {self.clang}, -mcpu={self.mcpu}"


Baseline = Mapping[Key, Mapping[str, Verdict]]
"""The programs of each key, by their names as compare.by_name() gives them."""


@dataclass(frozen=True)
class Comparison:
    """The changes since the baseline, those of each verdict that has one, and in notes what was not
    compared, and why."""

    changes: tuple[Change, ...] = ()
    of: Mapping[Verdict, Change] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read(path: Path) -> Baseline | None:
    """The baseline in path, None where there is no such file. Problem for one that is damaged: no verdict
    but that of its owner brings it back."""
    try:
        document = json.loads(path.read_bytes())
        if document["schema"] != SCHEMA:
            raise ValueError(f"schema {document['schema']}")
        found: dict[Key, dict[str, Verdict]] = {}
        for entry in document["baselines"]:
            key = Key(*(_text(entry[each.name]) for each in dataclasses.fields(Key)))
            if key in found:
                raise ValueError(f"two baselines for {key}")
            found[key] = {name: _row(name, key, row) for name, row in dict(entry["programs"]).items()}
        return found
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Problem(f"cannot be read: {error.strerror}", where=path) from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        why = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise Problem(
            f"is not a baseline ({why})",
            where=path,
            help="bring it back from version control, or remove it and run: doit baseline",
        ) from None


def encode(baseline: Baseline) -> bytes:
    """baseline as the bytes of its file."""
    entries = []
    for key, rows in sorted(baseline.items()):
        head = json.dumps(dataclasses.asdict(key))[:-1]
        lines = (f"   {json.dumps(name)}: {json.dumps(_entry(row))}" for name, row in sorted(rows.items()))
        entries.append(f'  {head}, "programs": {{\n' + ",\n".join(lines) + "\n  }}")
    return (f'{{\n "schema": {SCHEMA},\n "baselines": [\n' + ",\n".join(entries) + "\n ]\n}\n").encode()


def updated(
    baseline: Baseline | None, verdicts: Iterable[Verdict], machine: str, objects: Collection[str]
) -> Baseline:
    """baseline with verdicts taken over. objects: all that the project has; programs that theirs no longer
    have are left out. Other keys stay, and so do programs that could not be tried."""
    now = _by_key(verdicts, machine)
    merged = dict(baseline or {})
    for key, rows in now.items():
        earlier = merged.get(key, {})
        gone = {change.name for change in _gone(earlier, rows, objects)}
        merged[key] = {name: row for name, row in earlier.items() if name not in gone} | {
            name: row for name, row in rows.items() if row.verdict != ERROR
        }
    return {key: rows for key, rows in merged.items() if rows}


@dataclass(frozen=True)
class Taken:
    """What `doit baseline` did. counts: programs by verdict; changes: since the baseline of before; untried:
    names of programs that could not be tried, whose figures of before stay."""

    counts: Mapping[str, int]
    changes: tuple[Change, ...]
    untried: tuple[str, ...]

    def __str__(self) -> str:
        words = ", ".join(f"{count} {word}" for word, count in self.counts.items()) or "no programs"
        return "\n".join([f"{FILE}: {words}", *table(self.changes)])

    def check(self) -> None:
        """Problem where a program could not be tried."""
        if self.untried:
            names = ", ".join(self.untried)
            raise Problem(f"could not be tried: {names}", where=FILE, help="doit verify says why")

    def to_json(self) -> dict[str, Any]:
        changes = [dataclasses.asdict(each) for each in self.changes]
        counts = dict(self.counts)
        return {"schema": SCHEMA, "file": str(FILE), "programs": counts, "changes": changes,
                "untried": list(self.untried)}  # fmt: skip


def take_over(project: Project, verdicts: Sequence[Verdict]) -> Taken:
    """What `doit baseline` does: verifier-baseline.json with verdicts taken over."""
    machine = os.uname().machine
    objects = {source.object for source in project.sources}
    before = read(FILE)
    write_whole(FILE, encode(updated(before, verdicts, machine, objects)))
    found = since(before, verdicts, machine, objects).changes if before else ()
    counts = Counter(row.verdict for row in verdicts)
    return Taken(
        dict(sorted(counts.items())),
        tuple(each for each in found if each.kind != SAME),
        tuple(f"{row.object}/{row.program}" for row in verdicts if row.verdict == ERROR),
    )


def since(
    baseline: Baseline | None, verdicts: Iterable[Verdict], machine: str, objects: Collection[str]
) -> Comparison:
    """verdicts against baseline, key by key. objects: as for updated()."""
    if baseline is None:
        return Comparison(notes=("there is no baseline yet; doit baseline makes it",))
    found: list[Change] = []
    of: dict[Verdict, Change] = {}
    notes = []
    for key, rows in _by_key(verdicts, machine).items():
        if key not in baseline:
            notes.append(_missing(key, baseline))
            continue
        before = baseline[key]
        tried = {name: row for name, row in rows.items() if row.verdict != ERROR}
        its = between({name: before[name] for name in before.keys() & tried.keys()}, tried)
        of |= {tried[change.name]: change for change in its}
        found += [*its, *_gone(before, rows, objects)]
    return Comparison(tuple(in_order(found)), of, tuple(notes))


def _by_key(verdicts: Iterable[Verdict], machine: str) -> dict[Key, dict[str, Verdict]]:
    found: dict[Key, list[Verdict]] = {}
    for row in verdicts:
        found.setdefault(Key(row.kernel, machine, row.clang or "", row.mcpu or ""), []).append(row)
    return {key: by_name(rows) for key, rows in sorted(found.items())}


def _gone(
    before: Mapping[str, Verdict], rows: Mapping[str, Verdict], objects: Collection[str]
) -> list[Change]:
    """Programs that before has and that are no more: their object was verified without them, or is no
    longer there. One that was not verified this time tells nothing."""
    verified = {row.object for row in rows.values()}
    gone = {
        name: row
        for name, row in before.items()
        if name not in rows and (row.object in verified or row.object not in objects)
    }
    return between(gone, {})


def _missing(key: Key, baseline: Baseline) -> str:
    """Why there is nothing to compare with under key."""
    here = [each for each in baseline if (each.kernel, each.machine) == (key.kernel, key.machine)]
    if here:
        what = f"has nothing for {key}; for this kernel it has " + "; ".join(
            f"clang {each.clang}, -mcpu={each.mcpu}" for each in sorted(here)
        )
    else:
        kernels = sorted({f"{each.kernel} ({each.machine})" for each in baseline})
        what = (
            f"has nothing for {key}; it is of {', '.join(kernels) or 'no kernel'}, "
            "and figures of different kernels are not compared"
        )
    return f"{what}; doit baseline adds it"


def _entry(row: Verdict) -> dict[str, Any]:
    """What is kept of a verdict; of a refusal only its errno, for its figures tell where it stopped."""
    if row.verdict != ACCEPTED:
        return {"verdict": row.verdict} | ({"errno": row.errno} if row.errno else {})
    figures = ((figure, getattr(row, figure)) for figure in FIGURES)
    return {"verdict": row.verdict} | {figure: value for figure, value in figures if value is not None}


def _row(name: str, key: Key, entry: Mapping[str, Any]) -> Verdict:
    """The verdict of an entry: as much as is compared."""
    named = _NAME.fullmatch(name)
    if named is None:
        raise ValueError(f"{name!r:.80} is no program")
    row = Verdict(
        object=named[1],
        program=named[2],
        section=named[3] or "",
        type="",
        kernel=key.kernel,
        verdict=_text(entry["verdict"]),
        errno=_text(entry["errno"]) if "errno" in entry else None,
        clang=key.clang,
        mcpu=key.mcpu,
    )
    figures: dict[str, Any] = {figure: _whole(entry[figure]) for figure in FIGURES if figure in entry}
    return dataclasses.replace(row, **figures)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is no text")
    return value


def _whole(value: Any) -> int:
    if not is_figure(value):
        raise TypeError(f"{value!r:.40} is no figure")
    return int(value)
