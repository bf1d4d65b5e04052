# SPDX-License-Identifier: Apache-2.0
"""The bundle on disk: what is written is what is read, and damage is said, never followed."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpfline import parts, pipeline
from bpfline_loader import bundle
from bpfline_loader.bundle import Bundle, Extern, Fixup, Map, Program, Slot, StructOps
from bpfline_loader.errors import BundleError

EXIT = bytes.fromhex("b700000000000000") + bytes.fromhex("9500000000000000")

RICH = Bundle(
    object="net/x",
    source="bpf_src/net/x.bpf.c",
    license="GPL",
    byteorder="little",
    clang=None,
    mcpu=None,
    programs=(
        Program(
            "main",
            "fentry.s/do_unlinkat",
            "tracing",
            "do_unlinkat",
            EXIT * 4,
            expected_attach_type="trace_fentry",
            attach_btf="do_unlinkat",
            flags=16,
            autoload=False,
            drop_attach_type=True,
            fixups=(Fixup(0, "map", "events"), Fixup(2, "map_value", ".bss"), Fixup(7, "kfunc", "bpf_rcu")),
            func_info=b"\0\0\0\0\x07\0\0\0",
            line_info=bytes(range(32)),
            core_relos=bytes(range(16)),
        ),
        Program("main", "raw_tp", "raw_tracepoint", None, EXIT),  # a second section, the same name
        Program("a/../b", "xdp", "xdp", None, EXIT, fixups=(Fixup(0, "ksym", "bpf_prog_active"),)),
    ),
    btf=b"\x9f\xeb\x01\0" * 8,
    maps=(
        Map("events", "ringbuf", 0, 0, 1 << 18),
        Map("outer", "array_of_maps", 4, 4, 2, inner=Map("outer.inner", "array", 4, 8, 1),
            slots=(Slot(1, "events"),)),
        Map(".rodata", "array", 4, 5, 1, flags=128, key_type_id=0, value_type_id=9, section=".rodata",
            data=b"hello", frozen=True, kernel_name="x.rodata"),
        Map(".bss", "array", 4, 4096, 1, section=".bss", data=bytes(4096)),
        Map("arena", "arena", 0, 0, 10, extra=1 << 44, numa_node=0, pinning=True),
        Map("ops", "struct_ops", 4, 0, 1,
            struct_ops=StructOps("tcp_congestion_ops", 3, bytes(24), (("init", "main"),), link=True)),
    ),
    externs=(Extern("bpf_rcu", "kfunc", 5, weak=True), Extern("bpf_prog_active", "ksym", 6, weak=False),
             Extern("CONFIG_HZ", "kconfig", 7, weak=False, offset=8, size=4)),
)  # fmt: skip


def written(made: Bundle, folder: Path) -> Bundle:
    parts.write(folder, made)
    return parts.read(folder)


@contextmanager
def temporary() -> Iterator[Path]:
    """A folder for one example of hypothesis, which runs many within one test."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    assert written(RICH, tmp_path) == dataclasses.replace(RICH, folder=tmp_path)


def test_programs_of_one_name_have_files_of_their_own(tmp_path: Path) -> None:
    parts.write(tmp_path, RICH)
    names = sorted(path.name for path in (tmp_path / "programs").iterdir())
    assert names == ["a_.._b.insns", "main.1.insns", "main.insns"]


def test_what_belongs_to_no_program_any_more_is_removed(tmp_path: Path) -> None:
    parts.write(tmp_path, RICH)
    parts.write(tmp_path, dataclasses.replace(RICH, programs=RICH.programs[1:2], btf=b"", maps=()))
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["main.insns", "parts.json"]


def test_contents_that_are_all_zero_take_no_room(tmp_path: Path) -> None:
    large = Map(".bss", "array", 4, 1 << 26, 1, data=bytes(1 << 26))
    assert written(dataclasses.replace(RICH, maps=(large,), programs=()), tmp_path).maps == (large,)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*")) < 1 << 16


_TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
_U32 = st.integers(0, (1 << 32) - 1)
_MAPS = st.builds(
    Map, _TEXT, _TEXT, _U32, st.just(1 << 20), _U32, flags=_U32, extra=st.integers(0, (1 << 64) - 1),
    numa_node=st.none() | _U32, pinning=st.booleans(), kernel_name=st.none() | _TEXT,
    data=st.none() | st.binary(max_size=64), frozen=st.booleans(),
    slots=st.lists(st.builds(Slot, _U32, _TEXT), max_size=2).map(tuple),
)  # fmt: skip
_PROGRAMS = st.builds(
    Program, _TEXT, _TEXT, _TEXT, st.none() | _TEXT,
    st.binary(min_size=1, max_size=9).map(lambda data: data * 8),
    expected_attach_type=st.none() | _TEXT, attach_btf=st.none() | _TEXT, flags=_U32,
    autoload=st.booleans(), line_info=st.binary(max_size=4).map(lambda data: data * 16),
)  # fmt: skip
_BUNDLES = st.builds(
    Bundle, _TEXT, st.none() | _TEXT, _TEXT, st.sampled_from(["little", "big"]), st.none(), st.none(),
    st.lists(_PROGRAMS, max_size=4).map(tuple), btf=st.binary(max_size=40),
    maps=st.lists(_MAPS, max_size=3).map(tuple),
)  # fmt: skip


@given(_BUNDLES)
@settings(max_examples=150, deadline=None)
def test_any_bundle_comes_back_as_it_was(made: Bundle) -> None:
    with temporary() as folder:
        assert written(made, folder) == dataclasses.replace(made, folder=folder)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to each value in a JSON document."""
    yield path
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, entry in entries:
        yield from _places(entry, (*path, key))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from([-1, 1 << 31, 1 << 32, 1 << 64, "../../etc/passwd", "programs/..", "", "\0", "\ud800"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["zeros", "name"]), inner),
    max_leaves=4,
)  # fmt: skip


@given(st.data())
@settings(max_examples=600, deadline=None)
def test_a_description_with_any_value_replaced_is_read_or_refused(data: st.DataObject) -> None:
    document = json.loads(json.dumps(parts.describe(RICH).document))
    *path, last = data.draw(st.sampled_from([place for place in _places(document) if place]))
    at = document
    for key in path:
        at = at[key]
    if data.draw(st.booleans()) and isinstance(at, dict):
        del at[last]
    else:
        at[last] = data.draw(_JSON)
    with temporary() as folder:
        parts.write(folder, RICH)
        (folder / parts.FILE).write_text(json.dumps(document))
        try:
            parts.read(folder)
        except BundleError as error:
            assert str(folder) in str(error)


@given(st.integers(0, 2**32))
@settings(max_examples=300, deadline=None)
def test_damaged_bytes_are_read_or_refused(seed: int) -> None:
    chance = random.Random(seed)
    with temporary() as folder:
        parts.write(folder, RICH)
        path = chance.choice([path for path in sorted(folder.rglob("*")) if path.is_file()])
        data = bytearray(path.read_bytes())
        at, end = sorted(chance.choices(range(len(data) + 1), k=2))
        match chance.randrange(3):
            case 0:
                data[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del data[at:end]
            case _:
                data[at:at] = data[at:end]
        same = bytes(data) == path.read_bytes()
        path.write_bytes(data)
        try:
            read = parts.read(folder)
            # A change of the files beside the description never goes unseen.
            assert same or path.name == parts.FILE
            assert same or read is not None
        except BundleError as error:
            assert not same, error


def changed(folder: Path, path: str, value: object) -> None:
    """Write RICH to folder with another value in its description: a.0.b is at["a"][0]["b"]."""
    parts.write(folder, RICH)
    document: Any = json.loads((folder / parts.FILE).read_text())
    *keys, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    at = document
    for key in keys:
        at = at[key]
    at[last] = value
    (folder / parts.FILE).write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("schema", 2, "has schema 2, this loader reads 1"),
        ("byteorder", "middle", "neither little nor big"),
        ("license", None, "license: is not a string"),
        ("programs.0.insns", "../secret", "names a file outside programs/"),
        ("programs.0.insns", "programs/../../secret", "names a file outside programs/"),
        ("programs.0.insns", "/etc/passwd", "names a file outside programs/"),
        ("programs.0.sha256", "0" * 64, "is not the file that loader.json describes"),
        ("programs.0.flags", 1 << 32, "flags: is not a whole number below 2^32"),
        ("programs.0.flags", True, "flags: is not a whole number below 2^32"),
        ("programs.0.line_info", [0, 1 << 20], "line_info: lies past the end of records.bin"),
        ("programs.0.line_info", [0, 15], "line_info is not whole records"),
        ("programs.0.fixups", [[8, "map", "events"]], "a map fixup leads nowhere"),
        ("programs.0.fixups", [[7, "map", "events"]], "a map fixup leads nowhere"),
        ("programs.0.fixups", [[0, "map", "evnts"]], "a map fixup leads nowhere"),
        ("programs.0.fixups", [[0, "mop", "events"]], "is not a list of [insn, kind, target]"),
        ("btf.file", "../btf.bin", "does not name btf.bin"),
        ("records", None, "lies past the end of records.bin"),
        ("maps.1.inner.inner", {"name": "deep", "type": "array", "key_size": 4, "value_size": 4,
                                "max_entries": 1}, "a map in a map in a map"),
        ("maps.2.value_size", 4, "too small for its contents"),
        ("maps.3.data", {"zeros": 1 << 31}, "is larger than"),
        ("externs.0.kind", "kfun", "no kind of extern"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(tmp_path: Path, path: str, value: object, words: str) -> None:
    changed(tmp_path, path, value)
    with pytest.raises(BundleError) as caught:
        parts.read(tmp_path)
    assert words in str(caught.value)


def test_no_link_leads_out_of_a_bundle(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    parts.write(outside, RICH)
    for name in ("programs", "programs/main.insns", "btf.bin", "records.bin", "parts.json"):
        folder = tmp_path / "bundle"
        parts.write(folder, RICH)
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        path.symlink_to(outside / name)
        with pytest.raises(BundleError, match="cannot be read"):
            parts.read(folder)
        shutil.rmtree(folder)


@pytest.mark.parametrize("name", ["programs/main.insns", "btf.bin", "parts.json"])
def test_a_fifo_is_refused_and_not_waited_for(tmp_path: Path, name: str) -> None:
    parts.write(tmp_path, RICH)
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    with pytest.raises(BundleError, match="is no regular file"):
        parts.read(tmp_path)


def test_a_folder_without_a_description_says_what_to_do(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(BundleError, match="there is no bundle here") as caught:
            bundle.read(folder)
        assert caught.value.help == "build it first: doit build"


def test_the_audit_runs_again_when_any_module_changes_that_it_is_made_by() -> None:
    # Those that only name things, run tools or talk to people have no say in what is made.
    others = {"errors", "inputs", "process", "project", "settings", "step", "terminal"}
    others_in_loader = {"bpf", "description", "errors", "files", "privileges", "syscalls"}
    code = "import sys, bpfline.parts, bpfline.spec; print(*sys.modules)"
    names = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    ours = {name.removeprefix("bpfline.") for name in names if name.startswith("bpfline.")}
    loaders = {name.removeprefix("bpfline_loader.") for name in names if name.startswith("bpfline_loader.")}
    assert ours - others == set(pipeline.MAKE_PARTS)
    assert loaders - others_in_loader == set(pipeline.MAKE_PARTS_IN_LOADER)
