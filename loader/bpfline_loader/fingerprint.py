# SPDX-License-Identifier: Apache-2.0
"""A fingerprint of everything that goes to bpf(2) for one program: equal ones get equal verdicts."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from . import attach_target, kconfig, kernel_btf, maps
from .btf import Btf
from .bundle import Bundle, Map, Program
from .errors import Problem
from .map_set import KCONFIG

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# What the kernel does not get when a program is loaded.
_NOT_PASSED = frozenset(("section", "attach", "autoload"))


class Fingerprints:
    """Those of one bundle's programs; what they share is looked at once."""

    def __init__(self, bundle: Bundle):
        self._bundle = bundle
        self._btf = _digest(bundle.btf)
        self._programs = {program.name: program for program in bundle.programs}
        self._externs = {extern.name: extern for extern in bundle.externs}
        self._maps = {each.name: each for each in bundle.maps}
        self._map_digests: dict[str, str] = {}

    def of(self, program: Program) -> str | None:
        """64 hex digits; None where what the program needs lies outside of the bundle and may change."""
        if program.target is not None and attach_target.is_outside(program.target):
            return None
        named = {fixup.target for fixup in program.fixups if fixup.kind in ("map", "map_value")}
        externs = [self._externs[fixup.target] for fixup in program.fixups if fixup.target in self._externs]
        parts: list[Any] = [self._btf, _fields(program)]
        parts += [self._map(name) for name in sorted(named)]
        parts += [repr(extern) for extern in externs]
        if program.type == "struct_ops":
            parts += [self._map(each.name) for each in self._bundle.maps if each.struct_ops is not None]
        if externs or program.attach_btf is not None or program.type == "struct_ops":
            parts.append(kernel_btf.module_names())
        if any(extern.kind == "address" for extern in externs):
            parts.append(_BOOT_ID.read_text())  # addresses are others after each boot
        if program.target is not None and program.target in self._programs:
            parts.append(_fields(self._programs[program.target]))
        return _digest(json.dumps(parts).encode())

    def _map(self, name: str) -> str:
        if name not in self._map_digests:
            wanted = self._maps[name]
            parts = [_fields(wanted), maps.max_entries(wanted)]
            if wanted.section == KCONFIG:
                parts.append(self._kconfig(wanted))
            slots = {slot.target for slot in wanted.slots}
            parts += [_fields(each) for each in self._bundle.maps if each.name in slots]
            self._map_digests[name] = _digest(json.dumps(parts).encode())
        return self._map_digests[name]

    def _kconfig(self, wanted: Map) -> str:
        externs = [extern for extern in self._bundle.externs if extern.kind == "kconfig"]
        try:
            return _digest(kconfig.contents(externs, Btf.parse(self._bundle.btf), wanted.value_size))
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
