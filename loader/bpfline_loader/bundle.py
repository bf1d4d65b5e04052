# SPDX-License-Identifier: Apache-2.0
"""The bundle: everything that the kernel side needs to know of one object.

On disk it is build/<object>/ with its loader.json (docs/bundle.md); where no project is, the same
dataclasses are handed over in memory.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import BundleError

SCHEMA = 1
DESCRIPTION = "loader.json"
INSN_SIZE = 8  # sizeof(struct bpf_insn), linux/bpf.h
MAX_INSNS = 1_000_000  # BPF_COMPLEXITY_LIMIT_INSNS: what a privileged BPF_PROG_LOAD takes at most


@dataclass(frozen=True)
class Program:
    """One program as BPF_PROG_LOAD takes it.

    insns: struct bpf_insn records, linked, the entry first. type: BPF_PROG_TYPE_* in lower case
    without its prefix ("tracepoint"). attach: what it is attached to, in the words of its type
    ("syscalls/sys_enter_execve"), or None where nothing says.
    """

    name: str
    section: str
    type: str
    attach: str | None
    insns: bytes


@dataclass(frozen=True)
class Bundle:
    """One object. folder: where its artifacts stand, None in memory. clang, mcpu: None if unknown."""

    object: str
    source: str | None
    license: str
    byteorder: str
    clang: str | None
    mcpu: str | None
    programs: tuple[Program, ...]
    folder: Path | None = None


def read(folder: Path) -> Bundle:
    """The bundle in folder. BundleError says what is missing, damaged or of another schema."""
    path = folder / DESCRIPTION
    try:
        described = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise BundleError("there is no bundle here", where=path, help="build it first: doit build") from None
    except OSError as error:
        raise BundleError(f"cannot be read: {error.strerror}", where=path) from None
    except (ValueError, RecursionError) as error:
        raise BundleError(f"is not JSON ({error})", where=path, help="rebuild it: doit build") from None
    try:
        return _bundle(described, folder)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        raise BundleError(
            f"is not a bundle's description ({type(error).__name__}: {error})",
            where=path,
            help="rebuild it: doit build",
        ) from None


def _bundle(described: Any, folder: Path) -> Bundle:
    path = folder / DESCRIPTION
    if described["schema"] != SCHEMA:
        raise BundleError(
            f"has schema {described['schema']}, this loader reads {SCHEMA}",
            where=path,
            help="rebuild it with the bpfline that this loader came with: doit build",
        )
    _check_strings(described, ("object", "license", "byteorder"), ("source", "clang", "mcpu"))
    return Bundle(
        object=described["object"],
        source=described["source"],
        license=described["license"],
        byteorder=described["byteorder"],
        clang=described["clang"],
        mcpu=described["mcpu"],
        programs=tuple(_program(entry, folder) for entry in described["programs"]),
        folder=folder,
    )


def _check_strings(table: Any, needed: Sequence[str], optional: Sequence[str]) -> None:
    for key in (*needed, *optional):
        if not isinstance(table[key], str) and not (key in optional and table[key] is None):
            raise TypeError(f"{key} is not a string")


def _program(entry: Any, folder: Path) -> Program:
    _check_strings(entry, ("name", "section", "type", "insns", "sha256"), ("attach",))
    path = folder / entry["insns"]
    # An artifact's path stays inside its bundle: a bundle may come from somebody else.
    if ".." in Path(entry["insns"]).parts or Path(entry["insns"]).is_absolute():
        raise BundleError("names a file outside its folder", where=path)
    try:
        insns = path.read_bytes()
    except OSError as error:
        raise BundleError(
            f"cannot be read: {error.strerror}", where=path, help="rebuild it: doit build"
        ) from None
    check_insns(insns, path)
    if hashlib.sha256(insns).hexdigest() != entry["sha256"]:
        raise BundleError(
            "is not the file that loader.json describes", where=path, help="rebuild it: doit build"
        )
    return Program(entry["name"], entry["section"], entry["type"], entry["attach"], insns)


def check_insns(insns: bytes, where: object) -> None:
    """BundleError unless insns is a whole, non-empty number of struct bpf_insn that a kernel takes."""
    if not insns:
        raise BundleError("holds no instructions", where=where)
    if len(insns) % INSN_SIZE:
        raise BundleError(
            f"is {len(insns)} bytes long, not a multiple of {INSN_SIZE}: not whole instructions", where=where
        )
    if len(insns) // INSN_SIZE > MAX_INSNS:
        raise BundleError(
            f"holds {len(insns) // INSN_SIZE} instructions, the kernel takes at most {MAX_INSNS}", where=where
        )
