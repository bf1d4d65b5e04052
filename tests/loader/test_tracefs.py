# SPDX-License-Identifier: Apache-2.0
"""tracefs is found wherever it is, and nothing stays mounted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bpfline_loader import tracefs
from bpfline_loader.errors import Problem
from running import environment, mounts

# Where tracefs was found, and the id of a tracepoint in it, from a process of its own.
FIND = """
from bpfline_loader import tracefs
with tracefs.found() as files:
    print(files.path, tracefs.tracepoint_id(files, "syscalls/sys_enter_execve"))
"""


def find_after(*mount: str) -> tuple[str, int]:
    """(path, id) as found in a mount namespace where tracefs is mounted as the command mount does it."""
    script = 'umount -A tracefs 2>/dev/null; "$@" && exec "$0" -c "$FIND"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, sys.executable, *mount],
        env={**environment(), "FIND": FIND},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    path, number = done.stdout.rsplit(maxsplit=1)
    return path, int(number)


@pytest.fixture
def files():
    with tracefs.found() as found:
        yield found


@pytest.mark.kernel
def test_a_tracefs_mounted_elsewhere_is_found_also_with_a_space_in_its_path(tmp_path: Path) -> None:
    place = tmp_path / "with a\tspace and \\backslash"
    place.mkdir()
    assert find_after("mount", "-t", "tracefs", "tracefs", str(place))[0] == str(place)


@pytest.mark.kernel
def test_a_tracefs_that_is_mounted_over_is_passed_by(tmp_path: Path) -> None:
    command = f"mount -t tracefs tracefs {tmp_path} && mount -t tmpfs tmpfs {tmp_path}"
    assert find_after("sh", "-c", command)[0] == "None"


@pytest.mark.kernel
def test_with_debugfs_alone_no_tracefs_is_mounted_into_it(tmp_path: Path) -> None:
    path, number = find_after("mount", "-t", "debugfs", "debugfs", str(tmp_path))
    assert (path, number > 0) == ("None", True)


@pytest.mark.kernel
def test_where_nothing_may_be_mounted_debugfs_is_the_way(tmp_path: Path) -> None:
    script = (
        f"umount -A tracefs 2>/dev/null; mount -t debugfs debugfs {tmp_path} && ls {tmp_path}/tracing &&"
        ' exec setpriv --bounding-set -sys_admin --inh-caps -sys_admin "$0" -c "$FIND"'
    )
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, sys.executable],
        env={**environment(), "FIND": FIND}, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    assert f"{tmp_path}/tracing " in done.stdout


@pytest.mark.kernel
def test_where_it_is_mounted_nowhere_it_is_reached_and_nothing_stays_mounted() -> None:
    before = mounts()
    path, number = find_after("true")
    assert (path, number > 0) == ("None", True)
    assert mounts() == before


@pytest.mark.kernel
@pytest.mark.parametrize("way", [tracefs.detached, tracefs.from_a_private_namespace])
def test_each_way_gives_a_whole_tracefs_that_is_seen_nowhere(way) -> None:
    before = mounts()
    fd = way()
    try:
        files = tracefs.Tracefs(fd, None)
        assert mounts() == before
        assert tracefs.tracepoint_id(files, "syscalls/sys_enter_execve") > 0
        assert not os.get_inheritable(fd)
    finally:
        os.close(fd)
    assert mounts() == before


@pytest.mark.kernel
def test_without_privilege_it_is_said_in_one_line_with_the_remedy() -> None:
    # The import comes first: nobody may not look into /root, where this repository may be.
    lower = "import os; os.setgroups([]); os.setgid(65534); os.setuid(65534)"
    script = f"from bpfline_loader import tracefs\n{lower}\n{FIND}"
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment(), stderr=subprocess.PIPE, text=True
    )
    said = done.stderr.strip().splitlines()
    assert "tracefs cannot be reached" in said[-2] and "EPERM" in said[-2]
    assert "run as root" in said[-1]


def test_mountinfo_is_read_with_its_octal_escapes(tmp_path: Path) -> None:
    path = tmp_path / "mountinfo"
    path.write_text(
        "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n"
        "63 46 0:13 / /a\\040b\\011c\\012d\\134e rw - tracefs nodev rw\n"
    )
    newest, oldest = tracefs.mountinfo(path)
    assert (newest.path, newest.kind, newest.root) == ("/a b\tc\nd\\e", "tracefs", "/")
    assert newest.device == os.makedev(0, 13)
    assert (oldest.path, oldest.kind, oldest.root) == ("/mnt2", "ext3", "/mnt1")


@pytest.mark.kernel
@pytest.mark.parametrize(
    "name, meant",
    [
        ("syscalls/sys_enter_exceve", "syscalls/sys_enter_execve"),
        ("syscall/sys_enter_execve", "syscalls/sys_enter_execve"),
        ("shed/sched_switch", "sched/sched_switch"),
    ],
)
def test_an_unknown_tracepoint_names_near_ones(files: tracefs.Tracefs, name: str, meant: str) -> None:
    with pytest.raises(Problem) as caught:
        tracefs.tracepoint_id(files, name)
    assert meant in caught.value.help


@pytest.mark.kernel
@pytest.mark.parametrize(
    "name", ["", "execve", "../tracing_on", "a/../b", "syscalls/..", "a/b/c", "/etc", "a/b\n", "sys calls/x"]
)
def test_a_name_that_leads_elsewhere_is_refused(files: tracefs.Tracefs, name: str) -> None:
    with pytest.raises(Problem, match="not a tracepoint's name"):
        tracefs.tracepoint_id(files, name)


@pytest.mark.kernel
def test_a_file_beside_the_tracepoints_is_none(files: tracefs.Tracefs) -> None:
    with pytest.raises(Problem, match="no such tracepoint"):
        tracefs.tracepoint_id(files, "syscalls/enable")
