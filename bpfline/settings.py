# SPDX-License-Identifier: Apache-2.0
"""The settings of a project: [tool.bpfline] in pyproject.toml.

The dataclasses below are the only definition: they give the reader, the checks with "did you mean",
and the table in docs/settings.md (a test compares the two).
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bpfline_loader.bpf import PROG_TYPES

from .errors import SettingsError

FILE = "pyproject.toml"

# Not "probe": an object would depend on the machine that builds it.
_MCPU = ("v1", "v2", "v3", "v4", "generic")


def _setting(doc: str, **more: Any) -> Any:
    return field(metadata={"doc": doc}, **more)


Constant = bool | int | float | str
"""The value of a variable, as constants.py reads it."""


@dataclass(frozen=True, kw_only=True)
class ObjectSettings:
    """[tool.bpfline.object."NAME"]: what is particular to one object; NAME is as in build/NAME/."""

    mcpu: str | None = _setting("instruction set for this object, instead of the project's", default=None)
    include: tuple[str, ...] = _setting("include folders, searched before the project's", default=())
    define: tuple[str, ...] = _setting("macros, `NAME` or `NAME=VALUE`, after the project's", default=())
    cflags: tuple[str, ...] = _setting("further arguments for clang, after the project's", default=())
    type: str | None = _setting(
        "type of a program without `SEC()`: `BPF_PROG_TYPE_*` in lower case, such as `tracepoint`",
        default=None,
    )
    attach: str | None = _setting(
        "what its programs are attached to where `SEC()` does not say it, such as "
        "`syscalls/sys_enter_execve`, `eth0`",
        default=None,
    )
    license: str | None = _setting(
        'the license that the kernel is told, where the source has no `SEC("license")`', default=None
    )
    entry: str | None = _setting(
        "the function that a program without `SEC()` starts at, where `.text` leaves a choice", default=None
    )
    link: tuple[str, ...] = _setting(
        "sources, relative to the folder of the sources, that are compiled each by itself and linked to "
        "this object with `bpftool gen object`",
        default=(),
    )
    target: str | None = _setting(
        'the program that `SEC("freplace/FUNCTION")` extends: one of this object, `PROGRAM`, one of another, '
        "`OBJECT/PROGRAM`, a loaded one, `id:NUMBER`, or a pinned one, its path",
        default=None,
    )
    set: Mapping[str, Constant] = _setting(
        'values for global variables, `NAME`, `"NAME[2].MEMBER"`, set before the verifier sees them; they '
        "win over the project's",
        default_factory=dict,
    )


@dataclass(frozen=True, kw_only=True)
class BudgetSettings:
    """[tool.bpfline.budget]: the most that an accepted program may cost; None is no budget."""

    processed_insns: int | None = _setting("instructions that the verifier processes", default=None)
    limit_share: float | None = _setting(
        "the same, in per cent of the limit of 1,000,000 instructions that the kernel sets", default=None
    )
    total_states: int | None = _setting("states that the verifier makes", default=None)
    peak_states: int | None = _setting("states that the verifier holds at once", default=None)
    stack_depth: int | None = _setting("bytes of stack, as `stack_depth` of the verdict", default=None)
    xlated_bytes: int | None = _setting("bytes of the program, as the kernel rewrote it", default=None)
    jited_bytes: int | None = _setting("bytes of the program's machine code", default=None)


@dataclass(frozen=True, kw_only=True)
class BaselineSettings:
    """[tool.bpfline.baseline]: how much a figure may grow over verifier-baseline.json, in per cent."""

    growth: float = _setting("per cent that a figure may grow over the baseline", default=10)
    processed_insns: float | None = _setting("the same for this figure alone", default=None)
    total_states: float | None = _setting("the same for this figure alone", default=None)
    peak_states: float | None = _setting("the same for this figure alone", default=None)
    stack_depth: float | None = _setting("the same for this figure alone", default=None)
    xlated_bytes: float | None = _setting("the same for this figure alone", default=None)
    jited_bytes: float | None = _setting("the same for this figure alone", default=None)


@dataclass(frozen=True, kw_only=True)
class ProgramSettings:
    """[tool.bpfline.program."OBJECT/PROGRAM"]: what is particular to one program."""

    expect: str = _setting(
        "`refused` for a program that must not load: then it fails when it is accepted", default="accepted"
    )
    code: str | None = _setting(
        "why it is to be refused: the code of the diagnosis, `BPF006`, or an errno, `EACCES`", default=None
    )
    attach: str | None = _setting(
        "what this program is attached to, whatever `SEC()` and its object's table say", default=None
    )
    target: str | None = _setting(
        'the program that this `SEC("freplace/FUNCTION")` extends, instead of its object\'s', default=None
    )
    budget: BudgetSettings = _setting(  # noqa: RUF009 - it is field()
        "table with the keys of `budget`, each instead of the project's", default_factory=BudgetSettings
    )


@dataclass(frozen=True, kw_only=True)
class Settings:
    """[tool.bpfline]: the whole project."""

    sources: str = _setting("folder of the sources, relative to the project", default="bpf_src")
    match: tuple[str, ...] = _setting(
        'which files there are sources: `["*.bpf.c"]` where the loaders, `x.c`, stand beside `x.bpf.c`',
        default=("*.c",),
    )
    clang: str = _setting("the compiler: a name on PATH, or a path", default="clang")
    objcopy: str = _setting("llvm-objcopy: a name on PATH, or a path", default="llvm-objcopy")
    mcpu: str = _setting(
        "instruction set, clang's `-mcpu` (`v1`, `v2`, `v3`, `v4`); v3 wants Linux 5.1", default="v3"
    )
    include: tuple[str, ...] = _setting("include folders, relative to the project", default=())
    define: tuple[str, ...] = _setting("macros for every object, `NAME` or `NAME=VALUE`", default=())
    cflags: tuple[str, ...] = _setting("further arguments for clang", default=())
    templates: str | None = _setting(
        "folder of the project's own templates, each rendered for each object", default=None
    )
    vmlinux: str | None = _setting(
        "what `vmlinux.h` is made of: a file with a kernel's BTF, or a header (`.h`) that is taken as it is",
        default=None,
    )
    bpftool: str = _setting("bpftool: a name on PATH, or a path", default="bpftool")
    set: Mapping[str, Constant] = _setting(
        "values for global variables such as `const volatile int debug;`, in each object that has one",
        default_factory=dict,
    )
    object: Mapping[str, ObjectSettings] = _setting("tables of single objects", default_factory=dict)
    budget: BudgetSettings = _setting("the budget of every program", default_factory=BudgetSettings)  # noqa: RUF009
    baseline: BaselineSettings = _setting("growth over the baseline", default_factory=BaselineSettings)  # noqa: RUF009
    program: Mapping[str, ProgramSettings] = _setting("tables of single programs", default_factory=dict)

    def of_program(self, name: str) -> ProgramSettings:
        """The table of OBJECT/PROGRAM, the defaults where it has none."""
        return self.program.get(name, ProgramSettings())


def read(root: Path) -> Settings:
    """The settings of the project at root; the defaults where its pyproject.toml has none."""
    import tomllib  # settings are not read where there is no project

    path = root / FILE
    try:
        document = tomllib.loads(path.read_bytes().decode())
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        raise SettingsError(f"cannot be read: {error.strerror}", where=path) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(f"is not valid TOML: {error}", where=path) from None
    tool = document.get("tool", {})
    table = tool.get("bpfline", {}) if isinstance(tool, dict) else {}
    settings: Settings = _table(Settings, table, "tool.bpfline", path)
    folder = Path(settings.sources)
    # Not in build/ either: `doit clean` empties it.
    if folder.is_absolute() or not folder.parts or ".." in folder.parts or folder.parts[0] == "build":
        raise SettingsError(
            f"tool.bpfline.sources is '{folder}'", where=path, help="name a folder inside the project"
        )
    _check(settings.mcpu, "tool.bpfline.mcpu", _MCPU, path)
    for name, entry in settings.object.items():
        if entry.mcpu is not None:
            _check(entry.mcpu, f"tool.bpfline.object.{name}.mcpu", _MCPU, path)
        if entry.type is not None:
            _check(entry.type, f"tool.bpfline.object.{name}.type", PROG_TYPES.keys() - {"unspec"}, path)
    for name, program in settings.program.items():
        _check_program(program, f"tool.bpfline.program.{name}", path)
    return settings


def _check_program(program: ProgramSettings, key: str, path: Path) -> None:
    _check(program.expect, f"{key}.expect", ("accepted", "refused"), path)
    if program.code is None:
        return
    if not re.fullmatch(r"BPF\d{3}|E[A-Z0-9]+", program.code):
        raise SettingsError(
            f"{key}.code is '{program.code}'", where=path, help="a code such as BPF006, or EACCES"
        )
    if program.expect != "refused":
        raise SettingsError(f"{key} has a code", where=path, help='it goes with expect = "refused"')


def _table(cls: Any, table: Any, key: str, path: Path) -> Any:
    """table as cls, each value checked against the annotation of its field."""
    if not isinstance(table, dict):
        raise SettingsError(f"{key} is not a table", where=path)
    kinds = typing.get_type_hints(cls)
    for name in table:
        if name not in kinds:
            raise SettingsError(f"{key} has no setting '{name}'", where=path, help=near(name, kinds))
    values = {name: _value(value, kinds[name], f"{key}.{name}", path) for name, value in table.items()}
    return cls(**values)


def _value(value: Any, kind: Any, key: str, path: Path) -> Any:
    if kind == tuple[str, ...]:
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(_text(item, key, path) for item in value)
        raise SettingsError(f"{key} is not a list of strings", where=path)
    if dataclasses.is_dataclass(kind):
        return _table(kind, value, key, path)
    if kind in (int | None, float, float | None):
        return _number(value, key, path, whole=kind == int | None)
    if kind in (Mapping[str, ObjectSettings], Mapping[str, ProgramSettings]):
        if not isinstance(value, dict):
            raise SettingsError(f"{key} is not a table", where=path)
        its = typing.get_args(kind)[1]
        return {name: _table(its, entry, f"{key}.{name}", path) for name, entry in value.items()}
    if kind == Mapping[str, Constant]:
        if not isinstance(value, dict):
            raise SettingsError(f"{key} is not a table", where=path)
        return {name: _constant(entry, f"{key}.{name}", path) for name, entry in value.items()}
    if not isinstance(value, str):
        raise SettingsError(f"{key} is not a string", where=path)
    return _text(value, key, path)


def _constant(value: Any, key: str, path: Path) -> Constant:
    if not isinstance(value, int | float | str):  # bool is an int
        raise SettingsError(f"{key} is no number, truth or text", where=path)
    return value


def _number(value: Any, key: str, path: Path, *, whole: bool) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        raise SettingsError(f"{key} is no {'whole ' * whole}number", where=path)
    if not 0 <= value < 1e18:  # not a number and infinity, which TOML has, are no limits either
        raise SettingsError(f"{key} is {value}", where=path, help="a number from 0 on")
    return value


def _text(value: str, key: str, path: Path) -> str:
    if not value:  # -I and -D would take the argument behind them for their own
        raise SettingsError(f"{key} holds an empty string", where=path, help="leave it out")
    if re.search(r"[\x00-\x1f\x7f]", value):
        raise SettingsError(f"{key} holds a control character", where=path)
    return value


def _check(value: str, key: str, known: typing.Collection[str], path: Path) -> None:
    if value not in known:
        raise SettingsError(f"{key} is '{value}'", where=path, help=near(value, known))


def near(name: str, known: typing.Iterable[str]) -> str:
    """What to do about a name that is not known: the nearest ones, else all of them."""
    known = sorted(known)
    matches = difflib.get_close_matches(name, known)
    if matches:
        return "did you mean " + " or ".join(f"'{match}'" for match in matches) + "?"
    return "known are " + ", ".join(known) if known else ""


def documentation() -> list[tuple[str, str, str]]:
    """(key, default, meaning) of every setting, as docs/settings.md has them."""
    rows = []
    for cls, key in (
        (Settings, "{}"),
        (ObjectSettings, 'object."NAME".{}'),
        (BudgetSettings, "budget.{}"),
        (BaselineSettings, "baseline.{}"),
        (ProgramSettings, 'program."OBJECT/PROGRAM".{}'),
    ):
        for entry in dataclasses.fields(cls):
            if cls is Settings and entry.name in ("object", "budget", "baseline", "program"):
                continue
            value = entry.default if entry.default is not dataclasses.MISSING else {}
            default = "" if value is None else json.dumps(value)
            rows.append((key.format(entry.name), default, entry.metadata["doc"]))
    return rows
