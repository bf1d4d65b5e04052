# SPDX-License-Identifier: Apache-2.0
"""The proof: what the loader makes of an object is what libbpf makes of it, on the running kernel.

tests/bpf/good holds what both load, tests/bpf/bad what is refused, tests/bpf/forbidden what the kernel
of a machine may keep from everybody.
"""

from __future__ import annotations

import dataclasses
import errno
import functools
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

import insns
import libbpf_side
from bpf_objects import GPL, HEADERS, compile_bpf
from bpfline import elf, parts, spec
from bpfline.settings import ObjectSettings
from bpfline_loader import bpf
from bpfline_loader import object as object_
from bpfline_loader.bundle import Bundle, Program
from bpfline_loader.errors import KernelError
from libbpf_side import Failed, Loaded

pytestmark = pytest.mark.kernel

SOURCES = Path(__file__).parent / "bpf"
# Programs of SEC("?...") are not loaded by libbpf unless they are asked for, and bpftool cannot ask.
NOT_COMPARED = {"optional"}
# libbpf 1.1 does not know these habits of later versions:
#   usdt programs are for uprobe_multi links where the kernel has them (5902da6d8a52, in v1.3), for which
#   the kernel has another bpf_get_attach_cookie()
NO_ATTACH_TYPE = {"usdt"}
#   calls of weak kfuncs that are missing are made recognisable, which counts in the tag (v1.2)
OTHER_TAG = {"ksyms"}


EXTENDED = """
__attribute__((noinline)) int replaced(struct __sk_buff *ctx) { asm volatile(""); return 1; }
SEC("tc") int target(struct __sk_buff *ctx) { return replaced(ctx); }
"""
EXTENSION = 'SEC("freplace/replaced") int replacing(struct __sk_buff *ctx) { return 2; }\n'


@dataclass(frozen=True)
class Outcome:
    verdict: str
    errno: str | None
    message: str
    loaded: Loaded | None


@pytest.fixture(scope="session")
def vmlinux_h(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a vmlinux.h of the running kernel."""
    folder = tmp_path_factory.mktemp("vmlinux")
    with (folder / "vmlinux.h").open("wb") as header:
        subprocess.run(
            ["bpftool", "btf", "dump", "file", "/sys/kernel/btf/vmlinux", "format", "c"],
            stdout=header,
            check=True,
        )
    return folder


def compilers() -> list[str]:
    """The newest clang that is installed beside the default one; that one where it is alone."""
    default = os.path.realpath(shutil.which("clang") or "")
    found = [name for name in (f"clang-{number}" for number in range(40, 13, -1)) if shutil.which(name)]
    others = [name for name in found if os.path.realpath(shutil.which(name) or "") != default]
    return others[:1] or ["clang"]


def compiled(source: Path, vmlinux_h: Path, *flags: str, clang: str = "clang") -> Path:
    machine = {"x86_64": "x86", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    return compile_bpf(
        source.read_text(),
        f"-I{vmlinux_h}",
        f"-D__TARGET_ARCH_{machine}",
        *flags,
        name=source.name.partition(".")[0],
        clang=clang,
    )


def bundle_of(object_file: Path, **settings: str) -> Bundle:
    made = spec.spec(
        elf.read(object_file),
        name=object_file.stem,
        source=f"{object_file.stem}.bpf.c",
        settings=ObjectSettings(**settings),
        clang=None,
        mcpu=None,
    )
    assert made.failures == ()
    return made.bundle


def ours(bundle: Bundle) -> dict[str, Outcome]:
    """What the loader makes of each program."""
    try:
        with object_.opened(bundle) as opened:
            return {program.name: outcome(opened, program) for program in bundle.programs}
    except KernelError as error:
        failed = Outcome("error", error.errno, error.what, None)
        return {program.name: failed for program in bundle.programs}


def outcome(opened: object_.Object, program: Program) -> Outcome:
    attempt = opened.load(program, mode="none")
    loaded = None
    if attempt.fd is not None and attempt.info is not None:
        loaded = libbpf_side.shown("id", str(attempt.info.id))
        os.close(attempt.fd)
    return Outcome(attempt.verdict, attempt.errno, attempt.message, loaded)


def theirs(object_file: Path, bpffs: Path) -> dict[str, Loaded] | Failed:
    """What bpftool makes of the object, in a process with a bpffs of its own."""
    prepare = functools.partial(libbpf_side.private_bpffs, bpffs)
    found: dict[str, Loaded] | Failed = insns.in_child(
        lambda: libbpf_side.load_all(object_file, bpffs), prepare=prepare
    )
    return found


@pytest.mark.parametrize(
    "source", sorted((SOURCES / "good").glob("*.c")), ids=lambda path: path.name.partition(".")[0]
)
def test_what_libbpf_loads_is_loaded_with_the_same_tag_and_instructions(
    source: Path, vmlinux_h: Path, tmp_path: Path
) -> None:
    object_file = compiled(source, vmlinux_h)
    bundle = bundle_of(object_file)
    if object_file.stem in NO_ATTACH_TYPE:
        assert [program.expected_attach_type for program in bundle.programs] == ["trace_uprobe_multi"]
        older = tuple(dataclasses.replace(each, expected_attach_type=None) for each in bundle.programs)
        bundle = dataclasses.replace(bundle, programs=older)
    mine = ours(bundle)
    assert {name: outcome.verdict for name, outcome in mine.items()} == dict.fromkeys(mine, "accepted")
    reference = theirs(object_file, tmp_path)
    if object_file.stem in NOT_COMPARED:
        assert isinstance(reference, Failed) and "can't pin program that wasn't loaded" in reference.said
        return
    assert not isinstance(reference, Failed), reference
    loaded = {name: outcome.loaded for name, outcome in mine.items()}
    if object_file.stem in OTHER_TAG:
        assert all(loaded[name] != reference[name] for name in reference)
        loaded = {
            name: dataclasses.replace(each, tag=reference[name].tag) for name, each in loaded.items() if each
        }
    assert loaded == reference


def test_libbpf_and_the_loader_refuse_the_same_programs_with_the_same_errno(
    vmlinux_h: Path, tmp_path: Path
) -> None:
    for source in sorted((SOURCES / "bad").glob("*.c")):
        object_file = compiled(source, vmlinux_h)
        reference = theirs(object_file, tmp_path)
        mine = ours(bundle_of(object_file))
        assert isinstance(reference, Failed), source.name
        assert mine["fails"].verdict != "accepted", source.name
        for name, number in reference.errnos.items():
            assert mine["fails"].errno == errno.errorcode[number], (source.name, name, reference.said)
        assert all(outcome.verdict == "accepted" for name, outcome in mine.items() if name != "fails")


@pytest.mark.parametrize(
    "source", sorted((SOURCES / "forbidden").glob("*.c")), ids=lambda path: path.name.partition(".")[0]
)
def test_what_a_kernel_may_forbid_ends_as_it_does_for_libbpf(
    source: Path, vmlinux_h: Path, tmp_path: Path
) -> None:
    object_file = compiled(source, vmlinux_h)
    reference = theirs(object_file, tmp_path)
    mine = ours(bundle_of(object_file))
    if isinstance(reference, Failed):
        assert reference.errnos, reference.said
        for name, number in reference.errnos.items():
            assert (mine[name].verdict, mine[name].errno) == ("unsupported", errno.errorcode[number])
    else:
        assert {name: outcome.loaded for name, outcome in mine.items()} == reference


def test_an_extension_of_another_objects_program_ends_as_it_does_for_libbpf(tmp_path: Path) -> None:
    """Linux may forbid it to everybody, as all that needs a trampoline."""
    target, extension = (compile_bpf(HEADERS + text + GPL) for text in (EXTENDED, EXTENSION))
    parts.write(tmp_path / "target", dataclasses.replace(bundle_of(target), object="target"))
    (tmp_path / "target/parts.json").rename(tmp_path / "target/loader.json")
    with object_.opened(bundle_of(target)) as opened:
        fd = opened.load(bundle_of(target).programs[0]).fd
        assert fd is not None
        failed, tag = libbpf_side.extends(extension, "replacing", "replaced", fd)
        by_id = f"id:{bpf.prog_info(fd).id}"
        for words in ("target/target", by_id):
            bundle = bundle_of(extension, target=words)
            bundle = dataclasses.replace(bundle, object="extension", folder=tmp_path / "extension")
            mine = ours(bundle)["replacing"]
            if failed:
                assert (mine.verdict, mine.errno) == ("unsupported", errno.errorcode[failed]), mine.message
            else:
                assert mine.loaded is not None and mine.loaded.tag == tag
        os.close(fd)


@pytest.mark.parametrize("clang", compilers())
def test_what_another_clang_makes_of_the_same_sources_gets_the_same_verdicts(
    clang: str, vmlinux_h: Path
) -> None:
    flags = ("-mcpu=v4",) if clang >= "clang-18" else ()  # which it brought
    for source in sorted((SOURCES / "good").glob("*.c")):
        found = ours(bundle_of(compiled(source, vmlinux_h, *flags, clang=clang)))
        assert {each.verdict for each in found.values()} == {"accepted"}, (source.name, found)
