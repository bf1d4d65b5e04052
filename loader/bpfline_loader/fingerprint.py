# SPDX-License-Identifier: Apache-2.0
"""A fingerprint of everything that goes to bpf(2) for one program: equal ones get equal verdicts."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from . import kconfig, kernel_btf, maps
from .attach_target import is_loaded
from .btf import Btf
from .bundle import Bundle, Map, Program
from .errors import Problem
from .map_set import KCONFIG

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# What the kernel does not get when a program is loaded.
_NOT_PASSED = frozenset(("section", "attach", "autoload"))


class Fingerprints:
    """Those of one bundle's programs. Each is of all the bundle's maps and externs: nothing of an object is
    loaded when one of them cannot be had."""

    def __init__(self, bundle: Bundle):
        self._needs_kernel = bool(bundle.externs) or any(each.struct_ops for each in bundle.maps)
        self._object = bundle.object
        self._programs = {program.name: program for program in bundle.programs}
        shared: list[Any] = [_digest(bundle.btf), repr(bundle.externs)]
        shared += [[*_fields(wanted), maps.max_entries(wanted)] for wanted in bundle.maps]
        shared += [_kconfig(bundle, wanted) for wanted in bundle.maps if wanted.section == KCONFIG]
        if any(extern.kind == "address" for extern in bundle.externs):
            shared.append(_BOOT_ID.read_text())  # addresses are others after each boot
        self._shared = _digest(json.dumps(shared).encode())

    def of(self, program: Program) -> str | None:
        """64 hex digits; None where what the program needs lies outside of the bundle and may change."""
        target = None if program.target is None else self._own(program.target)
        if program.target is not None and target is None:
            return None
        parts: list[Any] = [self._shared, _fields(program)]
        # CO-RE records, too, look for types in modules where vmlinux has none (bpf_core_apply).
        if self._needs_kernel or program.attach_btf is not None or program.core_relos:
            parts.append(kernel_btf.modules())
        if target is not None:
            parts.append(_fields(target))
        return _digest(json.dumps(parts).encode())

    def _own(self, target: str) -> Program | None:
        """The program of this bundle that target names, as "PROGRAM" or "OBJECT/PROGRAM"."""
        return None if is_loaded(target) else self._programs.get(target.removeprefix(f"{self._object}/"))


def _kconfig(bundle: Bundle, wanted: Map) -> str:
    externs = [extern for extern in bundle.externs if extern.kind == "kconfig"]
    try:
        return _digest(kconfig.contents(externs, Btf.parse(bundle.btf), wanted.value_size))
    except Problem as problem:
        return str(problem)


def _fields(thing: Any) -> list[str]:
    """Every field of a dataclass that bpf(2) gets, long ones by their digest."""
    values = [
        getattr(thing, field.name) for field in dataclasses.fields(thing) if field.name not in _NOT_PASSED
    ]
    return [_digest(value) if isinstance(value, bytes) else repr(value) for value in values]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
