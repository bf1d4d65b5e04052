# SPDX-License-Identifier: Apache-2.0
"""What was made of an object, on disk: its instructions, BTF and records, and a description of them.

parts.json stands between the audit, which knows the object, and loader.json, which is rendered for
people too. The kernel side reads both alike (bpfline_loader/description.py).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bpfline_loader import bundle as bundle_
from bpfline_loader.bundle import INSN_SIZE, SCHEMA, Bundle, Extern, Fixup, Map, Program, Slot, StructOps
from bpfline_loader.description import BTF_FILE, PROGRAMS, RECORDS_FILE
from bpfline_loader.files import write_whole

from .project import Project, Source
from .sections import safe_name
from .step import Done
from .terminal import say

if TYPE_CHECKING:
    from .elf import ObjectFile

FILE = "parts.json"


def make(project: Project, source: Source) -> Done:
    """Audit and link source's object and write what it holds; the Problem of one of its programs fails it."""
    from . import elf, spec  # a build with nothing to do has no use for them

    object_file = elf.read(source.object_file)
    made = spec.spec(
        object_file,
        name=source.object,
        source=source.sources,
        settings=source.settings,
        clang=None,  # not of the object: the bundle has them
        mcpu=None,
        programs=source.programs,
        shared=project.settings.set,
    )
    if made.failures:
        *others, last = made.failures
        for failure in others:
            say(str(failure.problem))
        raise last.problem
    words = "".join(f"{warning}\n" for warning in made.warnings).encode(errors="backslashreplace")
    wrote = write(source.folder, made.bundle, plain=_is_plain(made.bundle, object_file))
    return Done(wrote=wrote, words=words)


def _is_plain(bundle: Bundle, object_file: ObjectFile) -> bool:
    """Whether .text, as it is dumped, is all that a loader needs."""
    if len(bundle.programs) != 1:
        return False
    (program,) = bundle.programs
    return (
        program.section == ".text"
        and not program.core_relos
        and not program.fixups
        and program.insns == object_file.by_name[".text"].data
    )


@dataclass(frozen=True)
class Described:
    """A bundle as JSON, and the files that it names with their contents."""

    document: dict[str, Any]
    files: Mapping[str, bytes]


def write(folder: Path, bundle: Bundle, *, plain: bool = False) -> list[Path]:
    """Write bundle's files and parts.json to folder; returns them. Other programs' files go.

    plain: what is_plain() will say.
    """
    described = describe(bundle)
    wrote = [folder / name for name in described.files]
    for path, data in zip(wrote, described.files.values(), strict=True):
        write_whole(path, data)
    for stale in {*(folder / PROGRAMS).glob("*"), folder / BTF_FILE, folder / RECORDS_FILE} - set(wrote):
        stale.unlink(missing_ok=True)
    document = {**described.document, "plain": plain}
    write_whole(folder / FILE, (json.dumps(document, indent=1) + "\n").encode())
    return [folder / FILE, *wrote]


def read(folder: Path) -> Bundle:
    """What write() wrote to folder."""
    return bundle_.read(folder, FILE)


def is_plain(folder: Path) -> bool:
    """Whether the object's .text, as it is dumped, is all that a loader needs."""
    return json.loads((folder / FILE).read_bytes()).get("plain") is True


def describe(bundle: Bundle) -> Described:
    """bundle as its description on disk: docs/bundle.md."""
    records = _Records()
    files = {f"{PROGRAMS}/{name}": program.insns for name, program in _insns_files(bundle.programs)}
    programs = [
        _program(program, name, records) for name, program in zip(files, bundle.programs, strict=True)
    ]
    maps = [_table(each, records) for each in bundle.maps]
    btf = _file(files, BTF_FILE, bundle.btf)
    document = {
        "schema": SCHEMA,
        **{
            name: getattr(bundle, name)
            for name in ("object", "source", "license", "byteorder", "clang", "mcpu")
        },
        "btf": btf,
        "records": _file(files, RECORDS_FILE, bytes(records.data)),
        "maps": maps,
        "externs": [_table(each, records) for each in bundle.externs],
        "programs": programs,
    }
    return Described(document, files)


_PLAIN = ("object", "source", "license", "byteorder", "clang", "mcpu")


class _Records:
    """records.bin while it grows."""

    def __init__(self) -> None:
        self.data = bytearray()

    def add(self, data: bytes) -> list[int]:
        """[offset, size] of data, which is appended."""
        self.data += data
        return [len(self.data) - len(data), len(data)]


def _file(files: dict[str, bytes], name: str, data: bytes) -> dict[str, str] | None:
    if not data:
        return None
    files[name] = data
    return {"file": name, "sha256": hashlib.sha256(data).hexdigest()}


def _insns_files(programs: Sequence[Program]) -> list[tuple[str, Program]]:
    """Each program with the name of its file; programs of one name in several sections get their number."""
    taken: set[str] = set()
    found = []
    for number, program in enumerate(programs):
        name = safe_name(program.name)
        name = f"{name}.{number}.insns" if f"{name}.insns" in taken else f"{name}.insns"
        taken.add(name)
        found.append((name, program))
    return found


def _program(program: Program, file: str, records: _Records) -> dict[str, Any]:
    return {
        **{key: getattr(program, key) for key in _ALWAYS},
        "insns": file,
        "insn_count": len(program.insns) // INSN_SIZE,
        "sha256": hashlib.sha256(program.insns).hexdigest(),
        **_table(program, records, leave_out=(*_ALWAYS, "insns")),
    }


_ALWAYS = ("name", "section", "type", "attach")


def _table(
    item: Program | Map | Extern | StructOps, records: _Records, *, leave_out: Sequence[str] = ()
) -> dict[str, Any]:
    """The fields of item as JSON, but those that have their default."""
    return {
        field.name: _json(value, records)
        for field in dataclasses.fields(item)
        if field.name not in leave_out and (value := getattr(item, field.name)) != field.default
    }


def _json(value: Any, records: _Records) -> Any:
    match value:
        case Map() | StructOps():
            return _table(value, records)
        case bytes():
            return records.add(value) if any(value) or not value else {"zeros": len(value)}
        case tuple():
            return [dataclasses.astuple(item) if isinstance(item, Fixup | Slot) else item for item in value]
    return value
