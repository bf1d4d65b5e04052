# SPDX-License-Identifier: Apache-2.0
"""A bundle on disk: loader.json and the files beside it, read and checked (docs/bundle.md).

The dataclasses of bundle.py are the only definition of what loader.json holds: a key is a field's name,
and the field's annotation says how its value is read. A bundle may come from somebody else: whatever is
wrong with it is a BundleError, and nothing outside its folder is opened.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .bundle import (
    DESCRIPTION,
    INSN_SIZE,
    MAX_INSNS,
    SCHEMA,
    Bundle,
    Extern,
    Fixup,
    Map,
    Program,
    Slot,
    StructOps,
    check_insns,
)
from .errors import BundleError

BTF_FILE = "btf.bin"
RECORDS_FILE = "records.bin"  # func_info, line_info, core_relos and the contents of maps, end to end
PROGRAMS = "programs"  # the folder of the programs' instructions

_LARGEST = 1 << 30  # bytes of a file that is read: far above any, and far below what hurts
_REBUILD = "rebuild it: doit build"
_FIXUPS = ("map", "map_value", "kfunc", "ksym", "address")
_EXTERNS = ("kfunc", "ksym", "address", "kconfig")


class _Damaged(Exception):
    """What is wrong with a value; on its way out it gets the keys that lead there."""


def read(folder: Path, name: str = DESCRIPTION) -> Bundle:
    """The bundle that the file name describes in folder; bundle.read() is its public name."""
    where = f"{folder}/{name}"
    try:
        root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _missing(error, where) from None
    try:
        described = _json(_file(root, name, where), where)
        return _bundle(described, _Files(folder, root))
    except _Damaged as error:
        raise BundleError(f"is not a bundle's description ({error})", where=where, help=_REBUILD) from None
    except (RecursionError, MemoryError):
        raise BundleError("asks for more than any bundle", where=where, help=_REBUILD) from None
    finally:
        os.close(root)


def _json(text: bytes, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"is not JSON ({error})", where=where, help=_REBUILD) from None


# --- The files ---------------------------------------------------------------------------------------


class _Files:
    """The files beside a description, by the keys that name them."""

    def __init__(self, folder: Path, root: int):
        self.folder = str(folder)  # a Path for each file would take a quarter of the time of reading
        self._root = root
        self._records = b""

    def whole(self, entry: Any, expected: str) -> bytes:
        """The file of {"file": ..., "sha256": ...}, which can have one name only; b"" for null."""
        if entry is None:
            return b""
        if type(entry) is not dict or entry.get("file") != expected:
            raise _Damaged(f"does not name {expected}")
        where = f"{self.folder}/{expected}"
        return _as_described(_file(self._root, expected, where), entry.get("sha256"), where)

    def records(self, entry: Any) -> None:
        """Read the file that slice() takes its slices of."""
        self._records = self.whole(entry, RECORDS_FILE)

    def slice(self, value: Any) -> bytes:
        """The bytes of [offset, size]."""
        if type(value) is not list or len(value) != 2:
            raise _Damaged("is not [offset, size]")
        offset, size = map(_u32, value)
        if offset + size > len(self._records):
            raise _Damaged(f"lies past the end of {RECORDS_FILE}")
        return self._records[offset : offset + size]

    def insns(self, entries: list[Any]) -> list[bytes]:
        """The instructions of each program, from programs/."""
        if not entries:
            return []
        try:
            place = os.open(
                PROGRAMS, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._root
            )
        except OSError as error:
            raise _missing(error, f"{self.folder}/{PROGRAMS}") from None
        try:
            return [self._insns(entry, place) for entry in entries]
        finally:
            os.close(place)

    def _insns(self, entry: Any, place: int) -> bytes:
        if type(entry) is not dict:
            raise _Damaged("programs are not tables")
        folder, slash, name = _text(entry.get("insns")).partition("/")
        where = f"{self.folder}/{entry['insns']}"
        if folder != PROGRAMS or not slash or "/" in name or name in ("", ".", "..") or "\0" in name:
            raise BundleError(f"names a file outside {PROGRAMS}/", where=where)
        insns = _file(place, name, where, MAX_INSNS * INSN_SIZE)
        check_insns(insns, where)
        return _as_described(insns, entry.get("sha256"), where)


def _file(folder: int, name: str, where: str, largest: int = _LARGEST) -> bytes:
    """The regular file name in folder: no link is followed, no device or fifo is waited for."""
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        raise _missing(error, where) from None
    except ValueError:  # a surrogate that no file's name can hold
        raise _Damaged("a file's name cannot be one") from None
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise BundleError("is no regular file", where=where)
        if status.st_size > largest:
            raise BundleError(f"is larger than {largest} bytes", where=where)
        data = os.read(handle, status.st_size + 1)
        # read(2) gives 0x7ffff000 bytes at most, so a file of this size comes in one piece.
        if len(data) != status.st_size:
            raise BundleError("changed while it was read", where=where)
        return data
    except OSError as error:
        raise BundleError(f"cannot be read: {error.strerror}", where=where, help=_REBUILD) from None
    finally:
        os.close(handle)


def _missing(error: OSError, where: str) -> BundleError:
    if isinstance(error, FileNotFoundError) and where.endswith(".json"):
        return BundleError("there is no bundle here", where=where, help="build it first: doit build")
    return BundleError(f"cannot be read: {error.strerror}", where=where, help=_REBUILD)


def _as_described(data: bytes, sha256: Any, where: str) -> bytes:
    if hashlib.sha256(data).hexdigest() != sha256:
        raise BundleError("is not the file that loader.json describes", where=where, help=_REBUILD)
    return data


# --- The values --------------------------------------------------------------------------------------


def _text(value: Any) -> str:
    if type(value) is not str:
        raise _Damaged("is not a string")
    return value


def _u32(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 32:
        raise _Damaged("is not a whole number below 2^32")
    return value


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise _Damaged("is neither true nor false")
    return value


def _list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise _Damaged("is not a list")
    return value


def _pair(value: Any) -> tuple[Any, Any]:
    if len(_list(value)) != 2:
        raise _Damaged("is not a pair")
    return value[0], value[1]


def _fixups(value: Any, _: _Files) -> tuple[Fixup, ...]:
    """[[insn, kind, target], ...]"""
    found = []
    for entry in _list(value):
        if len(_list(entry)) != 3 or type(entry[2]) is not str or entry[1] not in _FIXUPS:
            raise _Damaged("is not a list of [insn, kind, target]")
        found.append(Fixup(_u32(entry[0]), entry[1], entry[2]))
    return tuple(found)


def _slots(value: Any, _: _Files) -> tuple[Slot, ...]:
    """[[index, target], ...]"""
    return tuple(Slot(_u32(index), _text(target)) for index, target in map(_pair, _list(value)))


def _functions(value: Any, _: _Files) -> tuple[tuple[str, str], ...]:
    """[[member, program], ...]"""
    return tuple((_text(member), _text(program)) for member, program in map(_pair, _list(value)))


def _contents(value: Any, files: _Files) -> bytes:
    """[offset, size], or {"zeros": size} for what is nothing else (.bss)."""
    if type(value) is not dict:
        return files.slice(value)
    size = _u32(value.get("zeros"))
    if size > _LARGEST:
        raise _Damaged(f"is larger than {_LARGEST} bytes")
    return bytes(size)


# How a value is read, by the annotation of its field in bundle.py.
_Reader = Callable[[Any, _Files], Any]
_READERS: dict[str, _Reader] = {
    "str": lambda value, _: _text(value),
    "str | None": lambda value, _: None if value is None else _text(value),
    "int": lambda value, _: _u32(value),
    "int | None": lambda value, _: None if value is None else _u32(value),
    "bool": lambda value, _: _flag(value),
    "bytes": _contents,
    "bytes | None": lambda value, files: None if value is None else _contents(value, files),
    "tuple[Fixup, ...]": _fixups,
    "tuple[Slot, ...]": _slots,
    "tuple[tuple[str, str], ...]": _functions,
    "Map | None": lambda value, files: None if value is None else _map(value, files),
    "StructOps | None": lambda value, files: None if value is None else _struct_ops(value, files),
}


@dataclasses.dataclass(frozen=True)
class _Plan:
    """How a dataclass is made of a JSON object. needed: the keys that must be there."""

    make: Callable[..., Any]
    readers: dict[str, _Reader]
    needed: frozenset[str]


def _plan(cls: Any, **special: _Reader) -> _Plan:
    fields = dataclasses.fields(cls)
    return _Plan(
        cls,
        {field.name: special.get(field.name) or _READERS[str(field.type)] for field in fields},
        frozenset(field.name for field in fields if field.default is dataclasses.MISSING),
    )


def _u64(value: Any, _: _Files) -> int:  # map_extra is the only one, union bpf_attr in linux/bpf.h
    if type(value) is not int or not 0 <= value < 1 << 64:
        raise _Damaged("is not a whole number below 2^64")
    return value


_STRUCT_OPS = _plan(StructOps)
_MAP = _plan(Map, extra=_u64)
_EXTERN = _plan(Extern)
_PROGRAM = _plan(Program, insns=lambda value, _: value)  # they come from their own files
_BUNDLE = _plan(
    Bundle, **{name: lambda value, _: value for name in ("programs", "folder", "btf", "maps", "externs")}
)


def _made(plan: _Plan, entry: Any, files: _Files) -> Any:
    if type(entry) is not dict:
        raise _Damaged("is not a table")
    values = {}
    readers = plan.readers
    for key, value in entry.items():
        reader = readers.get(key)
        if reader is not None:
            try:
                values[key] = reader(value, files)
            except _Damaged as error:
                raise _Damaged(f"{key}: {error}") from None
    if not plan.needed <= values.keys():
        raise _Damaged("lacks " + ", ".join(sorted(plan.needed - values.keys())))
    return plan.make(**values)


def _map(value: Any, files: _Files) -> Any:
    return _made(_MAP, value, files)


def _struct_ops(value: Any, files: _Files) -> Any:
    return _made(_STRUCT_OPS, value, files)


def _bundle(described: Any, files: _Files) -> Bundle:
    if type(described) is not dict:
        raise _Damaged("it is not a table")
    if described.get("schema") != SCHEMA:
        raise BundleError(
            f"has schema {described.get('schema')}, this loader reads {SCHEMA}",
            where=f"{files.folder}/{DESCRIPTION}",
            help="rebuild it with the bpfline that this loader came with: doit build",
        )
    files.records(described.get("records"))
    entries = _list(described.get("programs"))
    insns = files.insns(entries)
    bundle: Bundle = _made(
        _BUNDLE,
        {
            **described,
            "folder": Path(files.folder),
            "btf": files.whole(described.get("btf"), BTF_FILE),
            "programs": tuple(
                _made(_PROGRAM, {**entry, "insns": code}, files)
                for entry, code in zip(entries, insns)  # noqa: B905 - Python 3.9
            ),
            "maps": tuple(_map(entry, files) for entry in _list(described.get("maps", []))),
            "externs": tuple(_made(_EXTERN, entry, files) for entry in _list(described.get("externs", []))),
        },
        files,
    )
    _check(bundle)
    return bundle


# --- What must fit together --------------------------------------------------------------------------


def _check(bundle: Bundle) -> None:
    """The kernel side follows these names and offsets without looking."""
    if bundle.byteorder not in ("little", "big"):
        raise _Damaged("byteorder is neither little nor big")
    maps = {each.name for each in bundle.maps}
    externs = {each.name: each.kind for each in bundle.externs}
    for program in bundle.programs:
        count = len(program.insns) // INSN_SIZE
        for fixup in program.fixups:
            known = fixup.target in maps if fixup.kind.startswith("map") else fixup.target in externs
            # All but a call are of two halves (BPF_LD_IMM64).
            if not known or fixup.insn + (fixup.kind != "kfunc") >= count:
                raise _Damaged(f"{program.name}: a {fixup.kind} fixup leads nowhere")
        for name, size in (("func_info", 8), ("line_info", 16), ("core_relos", 16)):
            if len(getattr(program, name)) % size:
                raise _Damaged(f"{program.name}: {name} is not whole records")
    for name, kind in externs.items():
        if kind not in _EXTERNS:
            raise _Damaged(f"{name} is no kind of extern: {kind}")
    for each in bundle.maps:
        if each.data is not None and len(each.data) > each.value_size:
            raise _Damaged(f"{each.name} is too small for its contents")
        if each.inner is not None and each.inner.inner is not None:
            raise _Damaged(f"{each.name}: a map in a map in a map")
