# SPDX-License-Identifier: Apache-2.0
"""What the installed libbpf makes of an object's maps and externs, from what it says when it opens one."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import cast

from bpfline.data_maps import BPF_F_MMAPABLE
from bpfline.elf import ObjectFile
from bpfline.externs import KCONFIG
from bpfline.maps import Maps
from bpfline_loader.bundle import Map
from bpfline_loader.map_types import MAP_TYPES

Facts = dict[str, dict[str, object]]

_FOUND = re.compile(r"map '(.*?)': found (\w+)(?: \[(\d+)\], sz)? = (0x\w+|\d+)\.")
_DATA = re.compile(r"map '(.*?)' \(global data\): at sec_idx \d+, offset 0, flags (\w+)\.")
_SLOT = re.compile(r"map '(.*?)' slot \[(\d+)\] points to \w+ '(.*?)'")
_KCONFIG = re.compile(r"extern \(kcfg\) #\d+: symbol \d+, off (\d+), name (\w+)")
_KSYM = re.compile(r"extern \(ksym\) #\d+: symbol \d+, name (\w+)")
_PLACED = re.compile(r"found (?:data map|map) \d+ \((\S+), sec|found extern #\d+ '(\w+)'")
_STRUCT_OPS = re.compile(r"struct_ops init: struct (\w+)\(type_id=(\d+)\) (\w+) found at offset \d+")


def opened(object_file: Path) -> str:
    """bpftool opens the object with libbpf, and loads nothing."""
    done = subprocess.run(
        ["bpftool", "-d", "gen", "skeleton", str(object_file)], capture_output=True, check=False
    )
    return done.stderr.decode(errors="replace")


def said(object_file: Path) -> Facts:
    """{name: {fact: value}} of maps and externs."""
    facts: Facts = {}
    log = opened(object_file)
    for name, field, type_id, number in _FOUND.findall(log):
        known = facts.setdefault(name, {})
        if type_id:
            known[f"{field}_type_id"] = int(type_id)
            field += "_size"
        known[field] = int(number, 0)
    for name, flags in _DATA.findall(log):
        facts[name] = {"map_flags": int(flags, 16)}
    for name, index, target in _SLOT.findall(log):
        facts[name].setdefault("slots", {})[int(index)] = target  # type: ignore[index]
    for offset, name in _KCONFIG.findall(log):
        facts[name] = {"offset": int(offset)}
    for name in _KSYM.findall(log):
        facts[name] = {}
    for struct, type_id, name in _STRUCT_OPS.findall(log):
        facts[name] = {"struct": struct, "type_id": int(type_id)}
    return facts


def ours(maps: Maps) -> Facts:
    """The same of what bpfline reads."""
    facts: Facts = {}
    for each in maps.maps:
        if each.struct_ops is not None:
            facts[each.name] = {"struct": each.struct_ops.type_name, "type_id": each.struct_ops.type_id}
        elif each.data is not None:
            facts[each.kernel_name or ""] = {"map_flags": each.flags}
        else:
            facts[each.name] = _defined(each)
            if each.inner:
                facts[each.inner.name] = _defined(each.inner)
    for extern in maps.externs:
        facts[extern.name] = {"offset": extern.offset} if extern.kind == "kconfig" else {}
    return facts


def _defined(each: Map) -> dict[str, object]:
    facts: dict[str, object] = {
        "type": MAP_TYPES[each.type],
        "key_size": each.key_size,
        "value_size": each.value_size,
        "max_entries": each.max_entries,
        "map_flags": each.flags,
        "map_extra": each.extra,
        "numa_node": each.numa_node or 0,
        "pinning": int(each.pinning),
        "key_type_id": each.key_type_id,
        "value_type_id": each.value_type_id,
        "slots": {slot.index: slot.target for slot in each.slots},
    }
    return facts


def differences(object_file: Path, maps: Maps) -> list[str]:
    """Where bpfline and libbpf do not agree, apart from what libbpf does not say or decides later."""
    theirs, mine = said(object_file), ours(maps)
    found = [f"{name}: only one of the two has it" for name in theirs.keys() ^ mine.keys()]
    for name in theirs.keys() & mine.keys():
        for fact in theirs[name].keys() | mine[name].keys():
            their = theirs[name].get(fact, {} if fact == "slots" else 0)
            # Dropped here, by libbpf when it creates the map: the kernel takes no BTF for some types.
            # Not said by libbpf: the values of a map of maps or programs are of 4 bytes.
            unsaid = fact.endswith("_type_id") and mine[name][fact] == 0
            unsaid = unsaid or (fact == "value_size" and fact not in theirs[name])
            # libbpf 1.1 lets all data be mapped, later ones what has variables that others see.
            unsaid = unsaid or (fact == "map_flags" and their == cast(int, mine[name][fact]) | BPF_F_MMAPABLE)
            if not unsaid and their != mine[name].get(fact):
                found.append(f"{name}: {fact} is {their} for libbpf, {mine[name].get(fact)} here")
    return found


def places_said(object_file: Path) -> Counter[str]:
    """How many instructions refer to each map (by its name in the kernel) and extern."""
    return Counter(a or b for a, b in _PLACED.findall(opened(object_file)))


def places_ours(object_file: ObjectFile, maps: Maps) -> Counter[str]:
    kernel_names = {each.name: each.kernel_name or each.name for each in maps.maps if each.name != KCONFIG}
    offsets = {extern.offset: extern.name for extern in maps.externs if extern.kind == "kconfig"}
    found: Counter[str] = Counter()
    for section in object_file.sections:
        for relocation in object_file.relocations.get(section.index, ()):
            symbol = object_file.symbols[relocation.symbol]
            code = symbol.section is not None and object_file.sections[symbol.section].executable
            if section.executable and not code:
                _, target, offset = maps.place(symbol, 0)
                found[offsets[offset] if target == KCONFIG else kernel_names.get(target, target)] += 1
    return found
