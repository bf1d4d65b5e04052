# SPDX-License-Identifier: Apache-2.0
"""Reading BTF: compared with bpftool type by type, and given damaged data."""

from __future__ import annotations

import struct
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bpf_objects import compile_bpf
from bpfline import elf
from bpfline_loader.btf import Btf, BtfError, Kind
from bpfline_loader.btf_raw import MAGIC
from btf_oracle import bpftool_types, our_type
from btf_sources import CORE, DATA, EXTERNS

VMLINUX = Path("/sys/kernel/btf/vmlinux")
USES_VMLINUX = """
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
SEC("tp_btf/sched_switch") int prog(void *ctx)
{ struct task_struct *task = (void *)bpf_get_current_task(); return task->mm && task->sighand; }
"""


@pytest.fixture(scope="module")
def kernel() -> Btf:
    return Btf.parse(VMLINUX.read_bytes())


def section(object_file: Path) -> bytes:
    return elf.parse(object_file.read_bytes(), object_file).by_name[".BTF"].data


def ours(btf: Btf) -> list[dict[str, object]]:
    return [our_type(btf, type_id) for type_id in range(btf.first_id, btf.count)]


def packed(types: list[int], strings: bytes, order: str = "<", layout: bytes | None = None) -> bytes:
    """BTF of types as 32-bit words."""
    size = 4 * len(types)
    sections = struct.pack(f"{order}{len(types)}I", *types) + (layout or b"")
    header = 24 if layout is None else 32
    strings_at = len(sections)
    data = struct.pack(order + "HBBIIIII", MAGIC, 1, 0, header, 0, size, strings_at, len(strings))
    if layout is not None:
        data += struct.pack(order + "II", size, len(layout))
    return data + sections + strings


def test_every_type_of_the_kernel_reads_as_bpftool_reads_it(kernel: Btf) -> None:
    theirs = bpftool_types("file", VMLINUX)
    assert kernel.count == len(theirs) + 1
    assert all(our_type(kernel, int(shape["id"])) == shape for shape in theirs)


@pytest.mark.parametrize("source", [DATA, EXTERNS, CORE])
@pytest.mark.parametrize("target", ["bpfel", "bpfeb"])
def test_every_type_of_an_object_reads_as_bpftool_reads_it(source: str, target: str, tmp_path: Path) -> None:
    data = section(compile_bpf(source, "-target", target))
    (tmp_path / "x.btf").write_bytes(data)
    btf = Btf.parse(data)
    assert btf.byteorder == {"bpfel": "little", "bpfeb": "big"}[target]
    assert ours(btf) == bpftool_types("file", tmp_path / "x.btf")


def test_every_type_of_an_object_built_with_vmlinux_h_reads_as_bpftool_reads_it(tmp_path: Path) -> None:

    with (tmp_path / "vmlinux.h").open("wb") as header:
        subprocess.run(["bpftool", "btf", "dump", "file", VMLINUX, "format", "c"], stdout=header, check=True)
    data = section(compile_bpf(USES_VMLINUX, f"-I{tmp_path}"))
    (tmp_path / "x.btf").write_bytes(data)
    btf = Btf.parse(data)
    assert btf.count > 100
    assert ours(btf) == bpftool_types("file", tmp_path / "x.btf")


def test_a_module_s_btf_continues_its_base(kernel: Btf, tmp_path: Path) -> None:
    task, count, end = kernel.find("task_struct", Kind.STRUCT), kernel.count, kernel.strings_end
    assert task is not None
    base_name = kernel.words[kernel.type(task).start]
    types = [
        *(0, Kind.PTR << 24, task),
        *(end, Kind.STRUCT << 24 | 1, 8, end + 6, count, 0),  # its name and its member's are its own
        *(base_name, Kind.TYPEDEF << 24, count + 1),  # its name is the base's
    ]
    data = packed(types, b"mine_\0task\0")
    (tmp_path / "module").write_bytes(data)
    module = Btf.parse(data, kernel)
    assert ours(module) == bpftool_types("file", tmp_path / "module", "-B", VMLINUX)
    assert module.find("mine_", Kind.STRUCT) == count + 1
    assert module.find("task_struct", Kind.STRUCT) == task
    assert module.find_own("task_struct", Kind.STRUCT) is None
    assert module.find("task_struct", Kind.TYPEDEF) == count + 2
    assert module.access(count + 1, "0:0") == "mine_.task"
    assert module.describe(module.members(count + 1)[0].type) == "struct task_struct *"


def test_each_name_of_the_kernel_is_found_where_bpftool_has_it_first(kernel: Btf) -> None:
    first: dict[tuple[int, str], int] = {}
    for shape in bpftool_types("file", VMLINUX):
        first.setdefault((Kind[str(shape["kind"])], str(shape["name"])), int(shape["id"]))
    wanted = sorted(key for key in first if key[1] != "(anon)")[::400]
    assert len(wanted) > 100
    assert {(kind, name): kernel.find(name, kind) for kind, name in wanted} == {
        key: first[key] for key in wanted
    }
    ends = [(kind, name[1:]) for kind, name in wanted if len(name) > 4 and (kind, name[1:]) not in first]
    assert ends
    assert {kernel.find(name, kind) for kind, name in ends} == {None}


def test_a_kind_that_only_the_layout_section_knows_is_stepped_over() -> None:
    int32 = [1, Kind.INT << 24, 4, 1 << 24 | 32]
    newer = [1, 25 << 24 | 2, 7, 0xA, *(0xB, 0xC), *(0xD, 0xE)]  # one word, then two for each of vlen
    layout = b"".join(
        struct.pack("<BBH", 4 if kind == 25 else 0, 8 if kind == 25 else 0, 0) for kind in range(26)
    )
    btf = Btf.parse(packed([*newer, *int32], b"\0int\0", layout=layout))
    assert (btf.type(1).kind, btf.type(2).kind, btf.size_of(2)) == (25, Kind.INT, 4)
    with pytest.raises(BtfError, match="kind 25"):
        Btf.parse(packed([*newer, *int32], b"\0int\0"))


@pytest.mark.parametrize(
    ("name", "kind", "size"),
    [
        ("nested", Kind.STRUCT, 72),
        ("view_t", Kind.TYPEDEF, 8),
        ("ratio", Kind.VAR, 8),
        ("colour", Kind.ENUM, 4),
    ],
)
def test_a_size_is_the_compiler_s(name: str, kind: int, size: int) -> None:
    btf = Btf.parse(section(compile_bpf(DATA)))
    found = btf.find(name, kind)
    assert found is not None
    assert btf.size_of(found) == size


def test_a_type_is_described_as_c_has_it() -> None:
    btf = Btf.parse(section(compile_bpf(DATA)))

    def variable(name: str) -> str:
        found = btf.find(name, Kind.VAR)
        assert found is not None
        return btf.describe(btf.type(found).size_or_type)

    assert variable("chosen") == "const volatile enum colour"
    assert variable("private_zeroed") == "volatile char[3]" or variable("private_zeroed") == "char[3]"
    nested = btf.find("nested", Kind.STRUCT)
    assert nested is not None
    assert [btf.describe(member.type) for member in btf.members(nested)] == [
        "int[3][5]",
        "struct (anonymous)",
        "union (anonymous)",
    ]
    view = btf.find("view_t", Kind.TYPEDEF)
    assert view is not None
    assert btf.describe(btf.type(view).size_or_type) == "const volatile struct nested *"
    assert btf.describe(0) == "void"


def cyclic(kind: int) -> bytes:
    """A type that is made of itself."""
    follows = [1, 1, 2] if kind == Kind.ARRAY else []
    return packed([0, kind << 24, 1, *follows], b"\0")


@pytest.mark.parametrize("kind", [Kind.TYPEDEF, Kind.CONST, Kind.ARRAY, Kind.VAR])
def test_a_type_made_of_itself_has_no_size(kind: int) -> None:
    data = packed([0, kind << 24, 1, 0], b"\0") if kind == Kind.VAR else cyclic(kind)
    with pytest.raises(BtfError):
        Btf.parse(data).size_of(1)


def test_pointers_without_end_are_described_in_bounded_time() -> None:
    assert Btf.parse(cyclic(Kind.PTR)).describe(1).endswith("*")
    with pytest.raises(BtfError, match="leads to no type"):
        Btf.parse(cyclic(Kind.CONST)).resolve(1)


def test_a_size_beyond_4_gib_is_refused() -> None:
    int32 = [0, Kind.INT << 24, 4, 32]
    array = [0, Kind.ARRAY << 24, 0, 1, 1, 0x80000000]
    with pytest.raises(BtfError, match="no size"):
        Btf.parse(packed([*int32, *array], b"\0")).size_of(2)


def test_a_name_without_end_is_refused_and_not_copied() -> None:
    strings = b"\0" + b"a" * 5_000_000 + b"\0"
    members = [word for index in range(10_000) for word in (1 + index, 0, 0)]
    btf = Btf.parse(packed([0, Kind.STRUCT << 24 | 10_000, 4, *members], strings))
    with pytest.raises(BtfError, match="more than 4096"):
        btf.members(1)


def read_everything(btf: Btf) -> None:
    """Ask all that can be asked; each answer is a value or BtfError."""
    for type_id in range(btf.count + 2):
        for ask in (
            btf.type, btf.resolve, btf.size_of, btf.align_of, btf.members, btf.params, btf.enumerators,
            btf.variables, btf.array, btf.integer, btf.linkage, btf.component, btf.describe,
            lambda n: btf.access(n, "0:1:2"), lambda n: btf.access(n, "1"), lambda n: btf.access(n, "0", 8),
        ):  # fmt: skip
            try:
                ask(type_id)
            except BtfError:
                pass
    for name in ("prog", "int", "", "nested", "no\0ne"):
        for kind in Kind:
            btf.find(name, kind)


GOOD = [section(compile_bpf(source)) for source in (DATA, EXTERNS, CORE)]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damaged_btf_gives_a_value_or_btf_error_in_bounded_time(data: st.DataObject) -> None:
    damaged = bytearray(data.draw(st.sampled_from(GOOD)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.one_of(st.integers(0, 40), st.integers(0, len(damaged) - 1)))
        how = data.draw(st.sampled_from(["flip", "word", "cut", "splice"]))
        if how == "flip":
            damaged[at % len(damaged)] ^= 1 << data.draw(st.integers(0, 7))
        elif how == "word":
            word = data.draw(st.sampled_from([0, 1, 0xFFFFFFFF, 0x80000000, 0x7FFFFFFF, 0x04FFFFFF]))
            damaged[at : at + 4] = struct.pack("<I", word)
        elif how == "cut" and at:
            del damaged[at:]
        else:
            other = data.draw(st.sampled_from(GOOD))
            damaged[at:at] = other[at : at + data.draw(st.integers(1, 64))]
    started = time.monotonic()
    try:
        read_everything(Btf.parse(bytes(damaged)))
    except BtfError as error:
        assert str(error).startswith("error: BTF") or "is not BTF" in str(error)
    assert time.monotonic() - started < 5


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_btf_or_btf_error(data: bytes) -> None:
    for head in (b"", struct.pack("<HBBI", MAGIC, 1, 0, 24)):
        try:
            read_everything(Btf.parse(head + data))
        except BtfError:
            pass
