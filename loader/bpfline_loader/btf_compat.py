# SPDX-License-Identifier: Apache-2.0
"""Whether a type that a program declares is the kernel's: libbpf's bpf_core_types_are_compat()."""

from __future__ import annotations

from .btf import ENUMS, Btf, Kind

_MAX_DEPTH = 32
_BY_KIND = frozenset({Kind.VOID, Kind.STRUCT, Kind.UNION, Kind.FWD, *ENUMS})


def compatible(local: Btf, local_id: int, kernel: Btf, kernel_id: int, depth: int = _MAX_DEPTH) -> bool:
    """Whether both are of one shape. Structs, unions and enums are not looked into, and of integers
    neither size nor sign counts: their names matched already, or the kernel's verifier looks closer.
    """
    for _ in range(depth):
        ours, theirs = local.resolve(local_id), kernel.resolve(kernel_id)
        if ours.kind != theirs.kind and not (ours.kind in ENUMS and theirs.kind in ENUMS):
            return False
        if ours.kind in _BY_KIND:
            return True
        if ours.kind == Kind.INT:
            return local.integer(ours.id).offset == kernel.integer(theirs.id).offset == 0
        if ours.kind == Kind.ARRAY:
            local_id, kernel_id = local.array(ours.id).type, kernel.array(theirs.id).type
            continue
        if ours.kind == Kind.FUNC_PROTO:
            if ours.vlen != theirs.vlen:
                return False
            pairs = zip(local.params(ours.id), kernel.params(theirs.id))  # noqa: B905 - Python 3.9
            if not all(compatible(local, mine.type, kernel, its.type, depth - 1) for mine, its in pairs):
                return False
        elif ours.kind != Kind.PTR:
            return False
        local_id, kernel_id = ours.size_or_type, theirs.size_or_type
    return False
