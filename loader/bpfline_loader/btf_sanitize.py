# SPDX-License-Identifier: Apache-2.0
"""BTF for kernels that do not know all of it: what they lack is replaced by what they know.

As libbpf does it (bpf_object__sanitize_btf): each type keeps its id and its size in bytes, so that
what names types by id stays right. What a kernel lacks is found by loading probe(feature).
"""

from __future__ import annotations

from typing import Callable, Collection, Dict, Tuple

from .btf import Btf
from .btf_edit import Edit
from .btf_types import Kind, Linkage, Type

_INT8 = 8  # the word behind an INT: 8 bits, no encoding
_INT32 = 1 << 24 | 32  # signed


def sanitized(data: bytes, unsupported: Collection[str]) -> bytes:
    """The BTF data without the features (keys of FEATURES) that a kernel does not have.

    data itself where it uses none of them.
    """
    btf = Btf.parse(data)
    edit = Edit(btf)
    for feature, (_, replace) in FEATURES.items():
        if feature in unsupported:
            replace(btf, edit)
    return data if edit.words == btf.words else edit.data()


def probe(feature: str) -> bytes:
    """A BTF of few types that a kernel takes if it knows feature."""
    edit = Edit()
    FEATURES[feature][0](edit)
    return edit.data()


def _func(btf: Btf, edit: Edit) -> None:
    for found in btf.of_kind(Kind.FUNC_PROTO):
        # A parameter's name and type become an enumerator's name and value; an enumerator has a name.
        for index, param in enumerate(btf.params(found.id)):
            if not param.name:
                edit.set_following(found, 2 * index, edit.add_string("unnamed"))
        edit.set_info(found, Kind.ENUM, found.vlen)
        edit.set_size_or_type(found, 4)
    for found in btf.of_kind(Kind.FUNC):
        edit.set_info(found, Kind.TYPEDEF)


def _func_global(btf: Btf, edit: Edit) -> None:
    for found in btf.of_kind(Kind.FUNC):
        edit.set_info(found, Kind.FUNC, Linkage.STATIC)


def _datasec(btf: Btf, edit: Edit) -> None:
    for found in btf.of_kind(Kind.VAR):
        _to_int(edit, found)
    for found in btf.of_kind(Kind.DATASEC):
        edit.set_info(found, Kind.STRUCT, found.vlen)
        edit.set_name(found, found.name.replace(".", "_").replace("?", "_"))
        for index, entry in enumerate(btf.variables(found.id)):
            name = btf.words[btf.type(entry.type).start]
            edit.set_following(found, 3 * index, name, entry.type, entry.offset * 8 & 0xFFFFFFFF)


def _qmark_datasec(btf: Btf, edit: Edit) -> None:
    for found in btf.of_kind(Kind.DATASEC):
        if found.name.startswith("?"):
            edit.set_name(found, "_" + found.name[1:])


def _float(btf: Btf, edit: Edit) -> None:
    for found in btf.of_kind(Kind.FLOAT):
        edit.set_name(found, "")  # "float" is no name that a struct may have
        edit.set_info(found, Kind.STRUCT)


def _decl_tag(btf: Btf, edit: Edit) -> None:
    for found in btf.of_kind(Kind.DECL_TAG):
        _to_int(edit, found)


def _type_tag(btf: Btf, edit: Edit) -> None:
    for found in btf.of_kind(Kind.TYPE_TAG):
        edit.set_name(found, "")
        edit.set_info(found, Kind.CONST)


def _enum64(btf: Btf, edit: Edit) -> None:
    for found in btf.of_kind(Kind.ENUM):
        edit.set_info(found, Kind.ENUM, found.vlen)  # kflag came with ENUM64
    placeholder = 0
    for found in btf.of_kind(Kind.ENUM64):
        placeholder = placeholder or edit.add_type(Kind.INT, "enum64_placeholder", 1, follows=[_INT8])
        edit.set_info(found, Kind.UNION, found.vlen)
        for index in range(found.vlen):
            edit.set_following(found, 3 * index + 1, placeholder, 0)


def _to_int(edit: Edit, found: Type) -> None:
    """One byte: 4 would be more than the place of a small variable, which the kernel refuses."""
    edit.set_info(found, Kind.INT)
    edit.set_size_or_type(found, 1)
    edit.set_following(found, 0, _INT8)


def _probe_func(edit: Edit, linkage: int = Linkage.STATIC) -> None:
    number = edit.add_type(Kind.INT, "int", 4, follows=[_INT32])
    proto = edit.add_type(Kind.FUNC_PROTO, vlen=1, follows=[edit.add_string("a"), number])
    edit.add_type(Kind.FUNC, "x", proto, vlen=linkage)


def _probe_func_global(edit: Edit) -> None:
    _probe_func(edit, Linkage.GLOBAL)


def _probe_var(edit: Edit) -> int:
    number = edit.add_type(Kind.INT, "int", 4, follows=[_INT32])
    return edit.add_type(Kind.VAR, "x", number, follows=[Linkage.STATIC])


def _probe_datasec(edit: Edit, name: str = ".data") -> None:
    variable = _probe_var(edit)
    edit.add_type(Kind.DATASEC, name, 4, vlen=1, follows=[variable, 0, 4])


def _probe_qmark_datasec(edit: Edit) -> None:
    _probe_datasec(edit, "?.data")


def _probe_float(edit: Edit) -> None:
    edit.add_type(Kind.FLOAT, "float", 4)


def _probe_decl_tag(edit: Edit) -> None:
    edit.add_type(Kind.DECL_TAG, "tag", _probe_var(edit), follows=[0xFFFFFFFF])


def _probe_type_tag(edit: Edit) -> None:
    number = edit.add_type(Kind.INT, "int", 4, follows=[_INT32])
    edit.add_type(Kind.PTR, size_or_type=edit.add_type(Kind.TYPE_TAG, "tag", number))


def _probe_enum64(edit: Edit) -> None:
    edit.add_type(Kind.ENUM64, "x", 8)


# What BTF may have, by the name that libbpf has for it (features.c), in the order in which it is
# replaced: a later one overrides. First a BTF that has it, then how it is replaced.
FEATURES: Dict[str, Tuple[Callable[[Edit], None], Callable[[Btf, Edit], None]]] = {
    "func_global": (_probe_func_global, _func_global),  # commit 51c39bb1d5d1 (in v5.6)
    "func": (_probe_func, _func),  # commit 2667a2626f4d (in v5.0)
    "qmark_datasec": (_probe_qmark_datasec, _qmark_datasec),  # commit bd70a8fb7ca4 (in v6.9)
    "datasec": (_probe_datasec, _datasec),  # commit 1dc92851849c (in v5.2)
    "float": (_probe_float, _float),  # commit b1828f0b0482 (in v5.13)
    "decl_tag": (_probe_decl_tag, _decl_tag),  # commit b5ea834dde6b (in v5.16)
    "type_tag": (_probe_type_tag, _type_tag),  # commit 8c42d2fa4eeb (in v5.17)
    "enum64": (_probe_enum64, _enum64),  # commit 6089fb325cf7 (in v6.0)
}
