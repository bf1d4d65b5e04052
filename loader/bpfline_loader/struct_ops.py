# SPDX-License-Identifier: Apache-2.0
"""struct_ops: a struct of callbacks, laid out as the running kernel has it.

The program's own struct may be older or newer than the kernel's: members are matched by name, as
bpf_map__init_kern_struct_ops in libbpf does.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import kernel_btf
from .btf import Btf, Kind, Member
from .bundle import Map, StructOps
from .errors import KernelError, Lacking

_VALUE_PREFIX = "bpf_struct_ops_"
BPF_F_LINK = 1 << 13
BPF_F_VTYPE_BTF_OBJ_FD = 1 << 15


@dataclass(frozen=True)
class Callback:
    """One function of the struct. type_id, index: of the struct and of its member in the kernel's BTF,
    which a program gives as attach_btf_id and expected_attach_type. member: its name."""

    program: str
    type_id: int
    index: int
    member: str


@dataclass(frozen=True)
class KernelValue:
    """The map's value in the kernel's layout, without its functions. value_type_id: of
    struct bpf_struct_ops_NAME; btf_id: the id of the BTF that has it, 0 for vmlinux. left_out: members,
    zero in the program, that this kernel's struct does not have."""

    value_type_id: int
    btf_id: int
    data: bytes
    callbacks: tuple[Callback, ...]
    left_out: tuple[str, ...] = ()


def laid_out(wanted: Map, ops: StructOps, btf: Btf) -> KernelValue:
    """The initial value for the running kernel. Lacking where it has no such struct, no such member that is
    not zero, or another one than the program declares."""
    name = ops.type_name
    value = kernel_btf.find(Kind.STRUCT, _VALUE_PREFIX + name)
    if value is None:
        raise Lacking(
            f"map {wanted.name}: this kernel has no struct_ops of type {name}",
            errno="ESRCH",
            where=wanted.name,
            help=f"struct {_VALUE_PREFIX}{name} stands in no BTF of the kernel or of a loaded module",
        )
    kernel = value.btf
    inner = next((member for member in kernel.members(value.type_id) if _is(kernel, member, name)), None)
    if inner is None:
        raise KernelError(
            f"map {wanted.name}: this kernel's struct {_VALUE_PREFIX}{name} holds no struct {name}",
            errno="EINVAL",
            where=wanted.name,
        )
    start = inner.bit_offset // 8
    data = bytearray(kernel.size_of(value.type_id))
    theirs = {member.name: (index, member) for index, member in enumerate(kernel.members(inner.type))}
    functions = _functions(wanted, ops, btf)
    callbacks, left_out = [], []
    for member in btf.members(ops.type_id):
        size = btf.size_of(member.type)
        at = member.bit_offset // 8
        ours = ops.data[at : at + size]
        program = functions.get(member.name)
        if member.name not in theirs:
            # libbpf has the program's own address there, so a callback is not zero.
            if any(ours) or program is not None:
                raise _unsuited(wanted, f"this kernel's struct {name} has no member {member.name}")
            left_out.append(member.name)
            continue
        index, its = theirs[member.name]
        if member.bit_size or its.bit_size:
            raise _unsuited(wanted, f"{name}.{member.name} is a bit-field")
        kinds = btf.resolve(member.type).kind, kernel.resolve(its.type).kind
        if kinds[0] != kinds[1]:
            raise _unsuited(wanted, f"this kernel's {name}.{member.name} is {kernel.describe(its.type)}")
        offset = start + its.bit_offset // 8
        if kinds[0] == Kind.PTR:
            if program is None:
                continue
            if kernel.resolve(kernel.resolve(its.type).size_or_type).kind != Kind.FUNC_PROTO:
                raise _unsuited(wanted, f"this kernel's {name}.{member.name} points to no function")
            callbacks.append(Callback(program, inner.type, index, member.name))
        elif kernel.size_of(its.type) != size:
            raise _unsuited(wanted, f"this kernel's {name}.{member.name} has another size than the program's")
        else:
            data[offset : offset + len(ours)] = ours
    return KernelValue(value.type_id, value.btf_id, bytes(data), tuple(callbacks), tuple(left_out))


def _is(kernel: Btf, member: Member, name: str) -> bool:
    found = kernel.type(member.type)
    return found.kind == Kind.STRUCT and found.name == name


def _functions(wanted: Map, ops: StructOps, btf: Btf) -> dict[str, str]:
    """The programs by their members; the bundle may come from somebody else."""
    pointers = {each.name for each in btf.members(ops.type_id) if btf.resolve(each.type).kind == Kind.PTR}
    for member, program in ops.functions:
        if member not in pointers:
            raise KernelError(
                f"map {wanted.name}: its struct has no pointer {member}, which is to be program {program}",
                errno="EINVAL",
                where=wanted.name,
            )
    return dict(ops.functions)


def _unsuited(wanted: Map, why: str) -> Lacking:
    # libbpf's ENOTSUP is EOPNOTSUPP on Linux.
    return Lacking(f"map {wanted.name}: {why}", errno="EOPNOTSUPP", where=wanted.name)
