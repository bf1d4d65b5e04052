# SPDX-License-Identifier: Apache-2.0
"""bpfline compare A B: two saved results, whoever wrote them and whenever, and what changed between."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from bpfline_loader.verdict import FILE, SCHEMA, Verdict, is_figure

from . import baseline
from .compare import FIGURES, HEAD, NEWLY_REFUSED, SAME, Change, between, by_name, cells, in_order, table
from .errors import OK, REFUSED, USAGE, Problem, printable
from .terminal import say

# What is read of a row; a result that others wrote may have less.
_WORDS = ("object", "program", "section", "type", "kernel", "verdict")
_MAYBE = ("errno", "clang", "mcpu")

_VERDICTS = frozenset(("accepted", "refused", "unsupported", "error"))
_MIB = 1 << 20
_MOST_MIB = 256  # of a result

# The columns of veristat (and of build/report/verdicts.csv) that are figures of ours.
_VERISTAT = {"processed_insns": "total_insns", "total_states": "total_states", "peak_states": "peak_states"}
_VERISTAT_VERDICTS = {"success": "accepted", "failure": "refused"}


@dataclass(frozen=True)
class Side:
    """One of the two results. kernel "" is one that the result does not name."""

    path: Path
    rows: tuple[Verdict, ...]

    @property
    def kernels(self) -> list[str]:
        return sorted({row.kernel for row in self.rows})

    def __str__(self) -> str:
        made = [
            f"{word} {', '.join(sorted(values))}"
            for word in ("kernel", "clang", "mcpu")
            if (values := {value for row in self.rows if (value := getattr(row, word))})
        ]
        return printable(f"{self.path}: {len(self.rows)} programs; {'; '.join(made) or 'no kernel is named'}")


def run(paths: tuple[Path, Path], *, shape: str, whole: bool, across: bool) -> int:
    """Compare two results and print what changed, as a "table", "json" or "csv"; whole: also what did not.

    across: although their kernels differ. The exit status: REFUSED where a program is newly refused.
    """
    a, b = map(read, paths)
    changes = list(compare(a, b, across=across))
    shown = [change for change in changes if whole or change.kind != SAME]
    about = [f"A: {a}", f"B: {b}", *_not_joined(a, b, across)]
    if shape == "json":
        sides = {"a": _side(a), "b": _side(b), "across": across}
        print(
            json.dumps({"schema": SCHEMA, **sides, "changes": list(map(dataclasses.asdict, shown))}, indent=1)
        )
    elif shape == "csv":
        say("\n".join(about))
        out = csv.writer(sys.stdout, lineterminator="\n")
        out.writerow(HEAD)
        out.writerows(line for change in shown for line in cells(change, whole=whole))
    else:
        print(*about, "", *(table(shown, whole=whole) or ["nothing changed"]), sep="\n")
    return REFUSED if any(change.kind == NEWLY_REFUSED for change in changes) else OK


def compare(a: Side, b: Side, *, across: bool) -> list[Change]:
    """What changed from a to b, joined by kernel, object and program; across: not by kernel, of which each
    has one then. Problem where there is nothing to join by."""
    if across:
        for side in (a, b):
            if len(side.kernels) > 1:
                raise Problem(
                    f"is of {len(side.kernels)} kernels: {', '.join(side.kernels)}",
                    where=side.path,
                    help="--across compares one kernel with one other: name the verdict.json of each",
                    status=USAGE,
                )
        return between(by_name(a.rows), by_name(b.rows))
    shared = set(a.kernels) & set(b.kernels)
    if not shared and a.rows and b.rows:
        raise Problem(
            f"A is of {_named(a.kernels)}, B of {_named(b.kernels)}, which are not to be compared",
            where="bpfline compare",
            help="--across compares them all the same",
            status=USAGE,
        )
    both = shared or {*a.kernels, *b.kernels}
    return in_order(change for kernel in both for change in between(_of(a, kernel), _of(b, kernel)))


def _of(side: Side, kernel: str) -> dict[str, Verdict]:
    return by_name(row for row in side.rows if row.kernel == kernel)


def _named(kernels: list[str]) -> str:
    return "kernel " + ", ".join(kernel or "(not named)" for kernel in kernels)


def _not_joined(a: Side, b: Side, across: bool) -> list[str]:
    """Said on top: kernels that differ."""
    if across:
        return [] if a.kernels == b.kernels else ["the kernels differ: what changed may be theirs"]
    alone = (("A", set(a.kernels) - set(b.kernels)), ("B", set(b.kernels) - set(a.kernels)))
    return [
        printable(f"only in {name}, and not compared: {_named(sorted(kernels))}")
        for name, kernels in alone
        if kernels and a.rows and b.rows
    ]


def _side(side: Side) -> dict[str, Any]:
    return {"path": str(side.path), "programs": len(side.rows), "kernels": side.kernels}


def read(path: Path) -> Side:
    """The verdicts in path: a verdict.json, what --json or --csv of ours printed, a report's verdicts.json
    or verdicts.csv, a verifier-baseline.json, or a folder with verdict.json files below it."""
    if not path.is_dir():
        rows = _file(path)
    else:
        files = sorted(each for each in path.rglob(FILE) if each.is_file())
        if not files:
            raise Problem(f"has no {FILE} in it or below", where=path, help="doit verify makes one")
        rows = [row for file in files for row in _file(file)]
    rows = [row for row in rows if row.program]  # without: an object that could not be read
    seen: set[tuple[str, ...]] = set()
    for row in rows:
        key = (row.object, row.program, row.section, row.kernel)
        if key in seen:
            name = f"{row.object}/{row.program} on {row.kernel or 'one kernel'}"
            raise Problem(f"has two verdicts for {name}", where=path, help="name the folder of one build")
        seen.add(key)
    return Side(path, tuple(rows))


def _file(path: Path) -> list[Verdict]:
    try:
        with path.open("rb") as file:
            data = b"".join(islice(iter(partial(file.read, _MIB), b""), _MOST_MIB + 1))
    except OSError as error:
        raise Problem(f"cannot be read: {error.strerror}", where=path) from None
    try:
        if len(data) > _MOST_MIB * _MIB:
            raise ValueError(f"more than {_MOST_MIB} MiB")
        if not data.lstrip().startswith(b"{"):
            return [_row(entry) for entry in _csv(data.decode())]
        document = json.loads(data)
        if "baselines" in document:
            kept = baseline.read(path) or {}
            return [row for rows in kept.values() for row in rows.values()]
        if document["schema"] != SCHEMA or document["schema"] is True:
            raise ValueError(f"schema {document['schema']!r:.40}")
        return [_row(entry) for entry in document["results"]]
    except (ValueError, KeyError, TypeError, RecursionError, csv.Error) as error:
        why = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise Problem(
            f"holds no verdicts ({why})", where=path, help="a verdict.json, or what --json or --csv printed"
        ) from None


def _csv(text: str) -> Iterable[dict[str, Any]]:
    """The rows of a CSV as those of a verdict.json."""
    reader = csv.DictReader(io.StringIO(text, newline=""))
    columns = set(reader.fieldnames or ())
    if {"file_name", "prog_name"} <= columns:
        return map(_of_veristat, reader)
    if {"object", "program"} <= columns:
        return map(_of_csv, reader)
    raise ValueError("neither JSON nor a CSV with the columns object and program")


def _of_csv(row: Mapping[str, str]) -> dict[str, Any]:
    figures = {figure: int(row[figure]) for figure in FIGURES if row.get(figure)}
    return {
        **{word: row[word] for word in _WORDS},
        **{word: row.get(word) or None for word in _MAYBE},
        **figures,
    }


def _of_veristat(row: Mapping[str, str]) -> dict[str, Any]:
    """A row in veristat's words, whose file name may carry the kernel: x.bpf.o@6.18.2."""
    file, kernel = row["file_name"], ""
    if not file.endswith(".o") and "@" in file:
        file, _, kernel = file.rpartition("@")
    figures = {ours: int(row[theirs]) for ours, theirs in _VERISTAT.items() if row.get(theirs)}
    return {
        **dict.fromkeys(_WORDS, ""),
        "object": unquote(file).removesuffix(".o").removesuffix(".bpf"),
        "program": unquote(row["prog_name"]),
        "kernel": unquote(kernel),
        "verdict": _VERISTAT_VERDICTS[row["verdict"]],
        **figures,
    }


def _row(entry: Any) -> Verdict:
    """A row of a result as a verdict: what is compared of it, checked."""
    words = {word: entry[word] for word in _WORDS}
    maybe = {word: entry.get(word) for word in _MAYBE}
    figures = {figure: entry.get(figure) for figure in FIGURES}
    for value in words.values():
        if not isinstance(value, str):
            raise TypeError(f"{value!r:.40} is no text")
    if words["verdict"] not in _VERDICTS:
        raise ValueError(f"{words['verdict']!r:.40} is no verdict")
    for value in maybe.values():
        if not isinstance(value, str | None):
            raise TypeError(f"{value!r:.40} is no text")
    for value in figures.values():
        if value is not None and not is_figure(value):
            raise TypeError(f"{value!r:.40} is no figure")
    return Verdict(**words, **maybe, **figures)
