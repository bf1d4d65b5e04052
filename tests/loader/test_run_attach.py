# SPDX-License-Identifier: Apache-2.0
"""A run attaches what it can and says what it cannot, and pins what asks for it."""

from __future__ import annotations

import ctypes
import dataclasses
import io
import os
import struct
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import assemble
import counting
from bpfline_loader import bpf, bpffs, run
from bpfline_loader.attach import FAMILIES, attach
from bpfline_loader.bpf_map import MapAttr, map_create, map_update
from bpfline_loader.bundle import Bundle, Program
from bpfline_loader.errors import Problem
from bpfline_loader.map_types import MAP_TYPES
from bpfline_loader.object import opened
from bpfline_loader.syscalls import syscall
from counting import Counting, bundle
from insns import in_child

pytestmark = pytest.mark.kernel

EXECVE = bundle("tracepoint", "tp/syscalls/sys_enter_execve", "syscalls/sys_enter_execve")
NOWHERE = bundle("xdp", "xdp", "nosuch0", expected="xdp", name="nowhere")
SOCKET = bundle("socket_filter", "socket", name="sock")


def ran(*bundles: Bundle) -> tuple[int, str]:
    err = io.StringIO()
    status = run.run(bundles, seconds=0, out=io.StringIO(), err=err)
    return status, err.getvalue()


def one_object(*bundles: Bundle) -> Bundle:
    """Their programs in one object."""
    programs = [dataclasses.replace(each.programs[0], name=each.object) for each in bundles]
    return dataclasses.replace(bundles[0], programs=tuple(programs))


def test_what_cannot_be_attached_does_not_stop_the_others() -> None:
    status, said = ran(one_object(NOWHERE, EXECVE))
    assert status == 2
    assert (
        "nowhere/nowhere: not attached: nosuch0: error: there is no such network interface\n  help: " in said
    )
    assert "attached nowhere/counts to tracepoint syscalls/sys_enter_execve; Ctrl-C ends" in said
    assert "detached" in said


def test_a_kind_that_run_does_not_attach_is_said_and_is_no_failure() -> None:
    status, said = ran(one_object(SOCKET, EXECVE))
    assert status == 0
    assert "sock/sock: loaded, not attached: run attaches no socket programs" in said


@pytest.mark.parametrize("what", [NOWHERE, SOCKET], ids=["cannot be", "is of no such kind"])
def test_with_nothing_attached_it_ends_with_2(what: Bundle) -> None:
    status, said = ran(what)
    assert status == 2
    assert "error: no program is attached" in said and "Ctrl-C ends" not in said


def test_what_an_iterator_says_is_shown() -> None:
    out, err = io.StringIO(), io.StringIO()
    assert run.run([counting.iterator(b"a task!\n")], seconds=0, out=out, err=err) == 0
    said = out.getvalue().splitlines().count("a task!")
    assert said > 10
    assert "attached tasks/each to iterator task; Ctrl-C ends" in err.getvalue()


def test_a_program_that_is_not_to_be_loaded_is_left_aside() -> None:
    optional = dataclasses.replace(NOWHERE.programs[0], autoload=False)
    status, said = ran(dataclasses.replace(EXECVE, programs=(*EXECVE.programs, optional)))
    assert status == 0 and "nosuch0" not in said


def test_a_program_without_a_target_is_told_how_to_name_one() -> None:
    for family in FAMILIES:
        section = next(iter(family.sections or ("x",)))
        expected = (family.attach_types or (None,))[0]
        program = Program("p", section, family.types[0], None, b"", expected_attach_type=expected)
        if family.target is not None:
            with pytest.raises(Problem) as caught:
                attach(program, -1, None)  # type: ignore[arg-type]
            assert f'attach = "{family.target}"' in caught.value.help


def test_a_name_that_no_kernel_takes_is_one_clear_problem() -> None:
    for name in ("a\0b", "\ud800"):
        for family in FAMILIES:
            section = next(iter(family.sections or ("x",)))
            expected = (family.attach_types or (None,))[0]
            program = Program("p", section, family.types[0], name, b"", expected_attach_type=expected)
            with pytest.raises(Problem, match="nothing has the name"):
                attach(program, -1, None)  # type: ignore[arg-type]


# Pins

PINNED = bundle("tracepoint", "tp/syscalls/sys_enter_execve", "syscalls/sys_enter_execve", pinning=True)


def with_bpffs(folder: Path, work: Callable[[], Any], *, mounted: bool = True) -> Any:
    """What work returns where a new bpffs is mounted at folder, and no other is."""

    def prepare() -> None:
        syscall("unshare", 0x20000)  # CLONE_NEWNS
        syscall("mount", b"none", b"/", None, 0x4000 | 0x40000, None)  # MS_REC | MS_PRIVATE
        libc = ctypes.CDLL(None, use_errno=True)
        for mount in Path("/proc/self/mountinfo").read_text().splitlines():
            if " - bpf " in mount:
                libc.umount2(mount.split()[4].encode(), 2)  # MNT_DETACH
        if mounted:
            syscall("mount", b"none", bytes(folder), b"bpf", 0, None)

    return in_child(work, prepare=prepare)


def pinned(folder: Path) -> list[str]:
    """What stands in a bpffs, besides the kernel's own two files."""
    return sorted({each.name for each in folder.iterdir()} - {"progs.debug", "maps.debug"})


def test_a_map_is_pinned_where_a_bpffs_is_mounted_and_used_again(tmp_path: Path) -> None:
    pin = f"{tmp_path}/counts"

    def work() -> list[Any]:
        first = ran(PINNED)
        fd = bpf.obj_get(pin)
        map_update(fd, bytes(4), struct.pack("=Q", 1000))
        second = ran(PINNED)
        with ExitStack() as stack:
            held = bpffs.Pins(stack).present(PINNED)
            in_kernel = stack.enter_context(opened(PINNED, present=held))
            program = in_kernel.load(PINNED.programs[0])
            assert program.fd is not None
            attachment = Counting(PINNED.programs[0], program.fd, held["counts"]).attach()
            subprocess.run(["/bin/true"], check=True)
            attachment.close()
            os.close(program.fd)
        return [first, second, counting.value(fd), pinned(tmp_path)]

    first, second, count, files = with_bpffs(tmp_path, work)
    assert first[0] == 0 and f"pinned map counts at {pin}, where it stays; rm {pin} removes it" in first[1]
    assert second[0] == 0 and f"map counts is the one that is pinned at {pin}" in second[1]
    assert "where it stays" not in second[1]
    assert count > 1000 and files == ["counts"]


def test_two_objects_of_one_run_share_a_pinned_map(tmp_path: Path) -> None:
    other = dataclasses.replace(PINNED, object="other")
    status, said = with_bpffs(tmp_path, lambda: ran(PINNED, other))
    assert status == 0
    assert said.count("pinned map counts") == said.count("map counts is the one that is pinned") == 1


def test_another_map_that_is_pinned_there_is_not_used(tmp_path: Path) -> None:
    def work() -> tuple[int, str]:
        fd = map_create(MapAttr(MAP_TYPES["array"], 4, 8, 2))
        bpffs._pin(fd, f"{tmp_path}/counts")
        return ran(PINNED)

    status, said = with_bpffs(tmp_path, work)
    assert status == 2
    assert f"{tmp_path}/counts: error: the map pinned there is not the counts of this object" in said
    assert "its max_entries is 2, not 1" in said


def test_what_is_pinned_there_may_be_no_map_at_all(tmp_path: Path) -> None:
    def work() -> tuple[int, str]:
        program = bpf.prog_load(bpf.PROG_TYPES["socket_filter"], assemble.finish(), "GPL")
        assert program.fd is not None
        bpffs._pin(program.fd, f"{tmp_path}/counts")
        return ran(PINNED)

    status, said = with_bpffs(tmp_path, work)
    assert status == 2 and "the map pinned there is not the counts of this object" in said


def test_without_a_bpffs_it_runs_and_says_so(tmp_path: Path) -> None:
    status, said = with_bpffs(tmp_path, lambda: ran(PINNED), mounted=False)
    assert status == 0
    assert "warning: map counts asks to be pinned, and no bpffs is mounted" in said
    assert f"help: {bpffs.MOUNT_COMMAND}" in said


def test_a_run_that_fails_to_load_leaves_no_pin(tmp_path: Path) -> None:
    refused = Program("bad", "tp/x", "tracepoint", None, assemble.refused())
    bad = dataclasses.replace(EXECVE, object="bad", programs=(refused,))

    def work() -> tuple[int, str, list[str]]:
        return *ran(PINNED, bad), pinned(tmp_path)

    status, said, files = with_bpffs(tmp_path, work)
    assert (status, files) == (1, []) and "pinned map" not in said


def test_a_run_that_attaches_nothing_leaves_no_pin(tmp_path: Path) -> None:
    unattached = dataclasses.replace(PINNED, programs=NOWHERE.programs)
    status, said, files = with_bpffs(tmp_path, lambda: (*ran(unattached), pinned(tmp_path)))
    assert (status, files) == (2, []) and "no program is attached" in said and "pinned map" not in said


@pytest.mark.parametrize("removed", [False, True], ids=["there", "removed by somebody"])
def test_a_run_that_breaks_off_leaves_no_pin(tmp_path: Path, removed: bool) -> None:
    class Breaks(io.StringIO):
        """Standard error that breaks off the run at what follows the pinning."""

        def write(self, text: str) -> int:
            if text.startswith("other/"):
                assert pinned(tmp_path) == ["counts"]
                if removed:
                    (tmp_path / "counts").unlink()
                raise RuntimeError(text)
            return super().write(text)

    def work() -> list[str]:
        other = dataclasses.replace(EXECVE, object="other")
        with pytest.raises(RuntimeError, match="other/"):
            run.run([PINNED, other], seconds=0, out=io.StringIO(), err=Breaks())
        return pinned(tmp_path)

    assert with_bpffs(tmp_path, work) == []
