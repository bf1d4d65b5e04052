# SPDX-License-Identifier: Apache-2.0
"""BTF made fit for the kernel: what libbpf makes of the same object, and what the kernel takes."""

from __future__ import annotations

import mmap
import os
import struct
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bpf_objects import compile_bpf
from bpfline import btf_fixup, elf
from bpfline_loader.bpf_btf import btf_load
from bpfline_loader.btf import Btf, BtfError, Kind, Linkage
from bpfline_loader.btf_edit import Edit
from bpfline_loader.btf_sanitize import FEATURES, probe, sanitized
from bpfline_loader.btf_types import SIZED
from btf_oracle import libbpf_types, our_type
from btf_sources import CORE, DATA, EXTERNS

TAGGED = """
#define user __attribute__((btf_type_tag("user")))
struct shown { int user *pointer; int value __attribute__((btf_decl_tag("counted"))); };
struct shown *shown;
float number;
int prog(struct shown *s) { return s->value + (shown == s); }
"""


def parsed(path: Path) -> tuple[elf.ObjectFile, Btf]:
    found = elf.parse(path.read_bytes(), path)
    return found, Btf.parse(found.by_name[".BTF"].data)


def fixed(path: Path) -> bytes:
    found, btf = parsed(path)
    return btf_fixup.for_kernel(btf, found)


def refusal(data: bytes) -> str:
    """Why the running kernel does not take this BTF; "" if it does."""
    with mmap.mmap(-1, 1 << 20) as log:
        answer = btf_load(data, log_level=1, log=log)
        if answer.fd is not None:
            os.close(answer.fd)
            return ""
        return f"errno {answer.errno}: " + log[:].split(b"\0")[0].decode()[-500:]


def linked(*objects: Path, into: Path) -> Path:
    subprocess.run(["bpftool", "gen", "object", into, *objects], check=True)
    return into


def datasec(btf: Btf, name: str) -> dict[str, tuple[int, int]]:
    """The offset and size of each variable of a section."""
    found = btf.find(name, Kind.DATASEC)
    assert found is not None
    return {btf.type(entry.type).name: (entry.offset, entry.size) for entry in btf.variables(found)}


def from_libbpf(path: Path) -> list[dict[str, Any]]:
    found = libbpf_types(path)
    for shape in found:
        # Debian 12's libbpf 1.1 leaves a hidden variable global, which later ones do not.
        if (shape["kind"], shape["name"]) == ("VAR", "hidden"):
            shape["linkage"] = "static"
    return found


@pytest.mark.kernel
@pytest.mark.parametrize("source", [DATA, EXTERNS])
def test_the_btf_that_the_kernel_gets_is_the_one_that_libbpf_gives_it(source: str) -> None:
    path = compile_bpf(source)
    btf = Btf.parse(fixed(path))
    assert [our_type(btf, type_id) for type_id in range(1, btf.count)] == from_libbpf(path)


@pytest.mark.kernel
def test_so_it_is_after_bpftool_gen_object_has_filled_in_the_places(tmp_path: Path) -> None:
    path = linked(compile_bpf(DATA), into=tmp_path / "linked.o")
    btf = Btf.parse(fixed(path))
    assert [our_type(btf, type_id) for type_id in range(1, btf.count)] == from_libbpf(path)


@pytest.mark.kernel
@pytest.mark.parametrize("source", [DATA, EXTERNS, CORE, TAGGED])
def test_the_running_kernel_takes_the_btf_only_once_it_is_fixed(source: str) -> None:
    path = compile_bpf(source)
    assert "errno 22" in refusal(parsed(path)[0].by_name[".BTF"].data)
    assert refusal(fixed(path)) == ""


def test_no_type_moves_and_none_but_the_dummy_is_added() -> None:
    for source in (DATA, EXTERNS):
        before = parsed(compile_bpf(source))[1]
        after = Btf.parse(fixed(compile_bpf(source)))
        kept = range(1, before.count)
        assert [after.type(i)[:3] for i in kept] == [before.type(i)[:3] for i in kept]
        assert [after.type(i).name for i in range(before.count, after.count)] in ([], ["dummy_ksym"])


def test_kconfig_variables_are_placed_by_alignment_then_size_then_name() -> None:
    btf = parsed(compile_bpf(EXTERNS))[1]
    order = [(variable.name, variable.offset, variable.size) for variable in btf_fixup.kconfig(btf)]
    assert order == [
        ("CONFIG_HZ", 0, 8),
        ("LINUX_KERNEL_VERSION", 8, 4),
        ("CONFIG_A", 12, 1),
        ("CONFIG_BPF_SYSCALL", 13, 1),
        ("CONFIG_CC_VERSION_TEXT", 14, 100),
    ]
    after = Btf.parse(fixed(compile_bpf(EXTERNS)))
    assert datasec(after, ".kconfig") == {name: (offset, size) for name, offset, size in order}
    assert btf_fixup.kconfig(after) == btf_fixup.kconfig(btf)


def test_hidden_variables_and_subprograms_become_static_and_the_others_stay() -> None:
    before, after = parsed(compile_bpf(DATA))[1], Btf.parse(fixed(compile_bpf(DATA)))

    def linkage(btf: Btf, name: str, kind: Kind) -> int:
        found = btf.find(name, kind)
        assert found is not None
        return btf.linkage(found)

    for name, kind in (("hidden", Kind.VAR), ("hidden_sum", Kind.FUNC)):
        assert (linkage(before, name, kind), linkage(after, name, kind)) == (Linkage.GLOBAL, Linkage.STATIC)
    for name, kind in (("counter", Kind.VAR), ("weak_one", Kind.VAR), ("shared", Kind.FUNC)):
        assert linkage(after, name, kind) == Linkage.GLOBAL


def test_variables_of_a_section_that_the_object_lacks_are_refused_by_name() -> None:
    found, btf = parsed(compile_bpf(DATA))
    edit = Edit(btf)
    edit.set_name(btf.type(btf.find(".data.own", Kind.DATASEC) or 0), ".data.nowhere")
    with pytest.raises(BtfError, match=r"\.data\.nowhere"):
        btf_fixup.for_kernel(Btf.parse(edit.data()), found)


def test_big_endian_btf_is_fixed_as_little_endian_btf_is() -> None:
    for source in (DATA, EXTERNS):
        little = Btf.parse(fixed(compile_bpf(source, "-target", "bpfel")))
        big = Btf.parse(fixed(compile_bpf(source, "-target", "bpfeb")))
        assert (little.byteorder, big.byteorder) == ("little", "big")
        assert [our_type(big, i) for i in range(1, big.count)] == [
            our_type(little, i) for i in range(1, little.count)
        ]


# For older kernels


@pytest.mark.kernel
@pytest.mark.parametrize("feature", FEATURES)
def test_a_kernel_that_has_a_feature_takes_its_probe(feature: str) -> None:
    assert refusal(probe(feature)) == ""


def with_all() -> bytes:
    """A BTF that has every feature. clang writes ENUM64 from version 15 on only, so it is added here."""
    edit = Edit(Btf.parse(fixed(compile_bpf(TAGGED))))
    number = edit.add_type(Kind.INT, "own_int", 4, follows=[32])
    values = [edit.add_string("WIDE"), 5, 1, edit.add_string("WIDER"), 0, 1 << 31]
    edit.add_type(Kind.ENUM64, "wide", 8, vlen=2, follows=values)
    variable = edit.add_type(Kind.VAR, "own_variable", number, follows=[Linkage.GLOBAL])
    edit.add_type(Kind.DATASEC, "?own", 4, vlen=1, follows=[variable, 0, 4])
    return edit.data()


LACKING: dict[str, set[int]] = {
    "func": {Kind.FUNC, Kind.FUNC_PROTO}, "datasec": {Kind.DATASEC, Kind.VAR}, "float": {Kind.FLOAT},
    "decl_tag": {Kind.DECL_TAG}, "type_tag": {Kind.TYPE_TAG}, "enum64": {Kind.ENUM64},
}  # fmt: skip


# In the order in which Linux got them: a kernel that lacks one lacks those behind it.
BY_AGE = ("func", "datasec", "func_global", "float", "decl_tag", "type_tag", "enum64", "qmark_datasec")


def features(btf: Btf) -> set[str]:
    """What of FEATURES a BTF uses."""
    kinds = {found.kind for found in btf.of_kind(*Kind)}
    used = {feature for feature, lacking in LACKING.items() if kinds & lacking}
    if any(found.vlen == Linkage.GLOBAL for found in btf.of_kind(Kind.FUNC)):
        used.add("func_global")
    if any(found.name.startswith("?") for found in btf.of_kind(Kind.DATASEC)):
        used.add("qmark_datasec")
    return used


@pytest.mark.kernel
@pytest.mark.parametrize("oldest", range(len(BY_AGE)), ids=lambda oldest: f"without {BY_AGE[oldest]}")
def test_what_a_kernel_lacks_is_replaced_by_what_it_takes_and_no_type_moves(oldest: int) -> None:
    unsupported = set(BY_AGE[oldest:])
    assert features(Btf.parse(with_all())) == set(FEATURES) == set(BY_AGE)
    for data in (with_all(), fixed(compile_bpf(DATA)), fixed(compile_bpf(EXTERNS))):
        before, given = Btf.parse(data), sanitized(data, unsupported)
        after = Btf.parse(given)
        assert not features(after) & unsupported
        assert refusal(given) == ""
        sized = [found.id for found in before.of_kind(*SIZED)]
        assert [after.size_of(type_id) for type_id in sized] == [before.size_of(type_id) for type_id in sized]


def test_where_nothing_is_lacking_the_bytes_stay() -> None:
    data = fixed(compile_bpf(DATA))
    assert sanitized(data, ()) == data
    assert sanitized(data, {"type_tag", "qmark_datasec"}) == data
    # Signed enums of linux/bpf.h are marked by later compilers (kind_flag), with enum64's kernels.
    plain = fixed(
        compile_bpf('int data = 1;\n__attribute__((section("tc"))) int prog(void *ctx) { return data; }\n')
    )
    assert sanitized(plain, {"enum64", "type_tag", "qmark_datasec"}) == plain


# Damage


GOOD = [parsed(compile_bpf(source)) for source in (DATA, EXTERNS)]


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damaged_btf_is_fixed_or_refused_in_bounded_time(data: st.DataObject) -> None:
    found, _ = data.draw(st.sampled_from(GOOD))
    damaged = bytearray(found.by_name[".BTF"].data)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(24, len(damaged) - 4))
        words = st.sampled_from([0, 1, 2, 0xFFFFFFFF, 0x7FFFFFFF, Kind.DATASEC << 24 | 3, Kind.VAR << 24])
        word = data.draw(st.one_of(words, st.integers(0, 60)))
        damaged[at & ~3 : (at & ~3) + 4] = struct.pack("<I", word)
    started = time.monotonic()
    try:
        btf = Btf.parse(bytes(damaged))
        made = btf_fixup.for_kernel(btf, found)
        assert btf.count <= Btf.parse(made).count <= btf.count + 2
        Btf.parse(sanitized(made, FEATURES))
    except BtfError:
        pass
    assert time.monotonic() - started < 2
