# SPDX-License-Identifier: Apache-2.0
"""The kernel in the tests: those that load programs are never skipped where that is possible, and
after the suite nothing may be left loaded, attached, pinned or mounted."""

from __future__ import annotations

import ctypes
import os
import re
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bpfline_loader import probe
from bpfline_loader.errors import Problem
from bpfline_loader.syscalls import syscall

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_libc = ctypes.CDLL(None)

# enum bpf_cmd, linux/bpf.h
_NEXT_ID = {"program": 11, "map": 12, "btf": 23, "link": 31}


def who_can_run_us() -> int:
    """65534 where any user can run this Python, else 0: root's own Python (below /root) is no other's, and
    what is started with it stays root."""
    try:
        words = [sys.executable, "-c", "import shlex, bpfline_loader.privileges"]
        nobody = {"user": 65534, "group": 65534, "extra_groups": []}
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        return (
            0
            if subprocess.run(words, cwd="/", env=environment, capture_output=True, **nobody).returncode
            else 65534
        )
    except PermissionError:
        return 0


def ids(kind: str) -> set[int]:
    """The id of every program, map, link or BTF that the kernel holds now."""
    found: set[int] = set()
    last = 0
    while True:
        attr = ctypes.create_string_buffer(struct.pack("=III", last, 0, 0))
        try:
            syscall("bpf", _NEXT_ID[kind], ctypes.byref(attr), 12)
        except FileNotFoundError:
            return found
        last = struct.unpack_from("=II", attr.raw)[1]
        found.add(last)


def mounts() -> set[str]:
    return set(Path("/proc/self/mountinfo").read_text().splitlines())


def _why_not() -> str:
    """Why this machine cannot load programs, or ""."""
    try:
        probe.program()
    except Problem as problem:
        return str(problem)
    return ""


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("kernel") is None:
        return
    if not hasattr(item.config, "_why_no_kernel"):
        item.config._why_no_kernel = _why_not()  # type: ignore[attr-defined]
    why = item.config._why_no_kernel  # type: ignore[attr-defined]
    if why and os.environ.get("CI") == "true":
        pytest.fail(f"CI must load programs: {why}", pytrace=False)
    if why:
        pytest.skip(f"this machine cannot load programs: {why}")


def _others() -> dict[str, set[int]]:
    """The ids that processes hold which are no descendants of this one: other people's work."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            found = re.search(r"^PPid:\t(\d+)$", status.read_text(), re.M)
        except OSError:
            continue
        parents[int(status.parent.name)] = int(found[1]) if found else 0
    held: dict[str, set[int]] = {kind: set() for kind in _NEXT_ID}
    for process in parents:
        line = [process]
        while line[-1] in parents:
            line.append(parents[line[-1]])
        if os.getpid() in line:
            continue
        for info in Path(f"/proc/{process}/fdinfo").glob("*"):
            try:
                words = re.findall(r"^(prog|map|link|btf)_id:\t(\d+)$", info.read_text(), re.M)
            except OSError:
                continue
            for kind, number in words:
                held["program" if kind == "prog" else kind].add(int(number))
    return held


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """What the suite loaded, attached, pinned or mounted is gone at its end."""
    if os.geteuid() != 0 or _why_not():
        yield
        return
    # What a child leaves behind becomes ours, so that _others() does not take it for somebody else's.
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    before = {kind: ids(kind) for kind in _NEXT_ID}
    mounted = mounts()
    yield
    for _ in range(100):  # the kernel frees after a grace period
        others = _others()
        # Others' programs hold their maps and BTF without a descriptor.
        kinds = ("program", "link") if others["program"] else tuple(_NEXT_ID)
        left = {kind: now for kind in kinds if (now := ids(kind) - before[kind] - others[kind])}
        if not left:
            break
        time.sleep(0.1)
    assert not left, f"left in the kernel: {left}"
    assert mounts() == mounted
