# SPDX-License-Identifier: Apache-2.0
"""What bpftool and libbpf make of the same BTF, for the tests; run as a program, libbpf's of an object."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from bpfline_loader.btf import Btf, Kind

_ENCODINGS = {0: "(none)", 1: "SIGNED", 2: "CHAR", 4: "BOOL"}


def bpftool_types(*source: object) -> list[dict[str, Any]]:
    """The types as `bpftool btf dump` has them: ("file", path), ("id", 7), ("file", path, "-B", base)."""
    kind, name, *rest = map(str, source)
    command = ["bpftool", "-j", *rest, "btf", "dump", kind, name, "format", "raw"]
    found: list[dict[str, Any]] = json.loads(subprocess.check_output(command))["types"]
    for shape in found:
        # bpftool 7.1 widens the value of an unsigned enumerator of 32 bits as if it were signed.
        for value in shape["values"] if shape["kind"] == "ENUM" and shape["encoding"] == "UNSIGNED" else ():
            value["val"] &= 0xFFFFFFFF
    return found


def our_type(btf: Btf, type_id: int) -> dict[str, Any]:
    """A type in the shape of bpftool_types()."""
    found = btf.type(type_id)
    shape: dict[str, Any] = {"id": type_id, "kind": Kind(found.kind).name, "name": found.name or "(anon)"}
    kind = found.kind
    if kind == Kind.INT:
        number = btf.integer(type_id)
        shape |= {"size": found.size_or_type, "bits_offset": number.offset, "nr_bits": number.bits}
        shape["encoding"] = _ENCODINGS[number.encoding]
    elif kind == Kind.ARRAY:
        array = btf.array(type_id)
        shape |= {"type_id": array.type, "index_type_id": array.index_type, "nr_elems": array.nelems}
    elif kind in (Kind.STRUCT, Kind.UNION):
        shape |= {"size": found.size_or_type, "vlen": found.vlen, "members": []}
        for name, type_of, bit_offset, bit_size in btf.members(type_id):
            member = {"name": name or "(anon)", "type_id": type_of, "bits_offset": bit_offset}
            shape["members"].append(member | ({"bitfield_size": bit_size} if bit_size else {}))
    elif kind in (Kind.ENUM, Kind.ENUM64):
        shape |= {"encoding": "SIGNED" if found.kflag else "UNSIGNED", "size": found.size_or_type}
        values = [{"name": value.name, "val": value.value} for value in btf.enumerators(type_id)]
        shape |= {"vlen": found.vlen, "values": values}
    elif kind == Kind.FWD:
        shape["fwd_kind"] = "union" if found.kflag else "struct"
    elif kind == Kind.FUNC_PROTO:
        params = [{"name": param.name or "(anon)", "type_id": param.type} for param in btf.params(type_id)]
        shape |= {"ret_type_id": found.size_or_type, "vlen": found.vlen, "params": params}
    elif kind in (Kind.VAR, Kind.FUNC):
        shape |= {"type_id": found.size_or_type}
        shape["linkage"] = ("static", "global", "extern")[btf.linkage(type_id)]
    elif kind == Kind.DATASEC:
        shape |= {"size": found.size_or_type, "vlen": found.vlen}
        shape["vars"] = [entry._asdict() for entry in btf.variables(type_id)]
        for entry in shape["vars"]:
            entry["type_id"] = entry.pop("type")
    elif kind == Kind.FLOAT:
        shape["size"] = found.size_or_type
    else:
        shape["type_id"] = found.size_or_type
        if kind == Kind.DECL_TAG:
            shape["component_idx"] = btf.component(type_id)
    return shape


def libbpf_types(object_file: Path) -> list[dict[str, Any]]:
    """The BTF that libbpf hands to the kernel for an object, which bpftool must be able to load."""
    command = ["unshare", "--mount", sys.executable, __file__, object_file]
    found: list[dict[str, Any]] = json.loads(subprocess.check_output(command))
    return found


def main(object_file: str) -> None:
    """In a mount namespace of its own, so that what is pinned goes with this process."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"bpf", b"/sys/fs/bpf", b"bpf", 0, None):
        sys.exit(f"mount: errno {ctypes.get_errno()}")
    subprocess.run(
        ["bpftool", "prog", "loadall", object_file, "/sys/fs/bpf/x"], check=True, stdout=subprocess.DEVNULL
    )
    program = min(Path("/sys/fs/bpf/x").iterdir())
    show = ["bpftool", "-j", "prog", "show", "pinned", program]
    loaded = json.loads(subprocess.check_output(show))
    json.dump(bpftool_types("id", loaded["btf_id"]), sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
