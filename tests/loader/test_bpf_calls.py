# SPDX-License-Identifier: Apache-2.0
"""bpf(2) through ctypes."""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path

import pytest

import insns
from bpfline_loader import bpf

HEADER = Path("/usr/include/linux/bpf.h")  # the host's C library brings it


def test_program_types_have_the_numbers_of_the_kernels_header() -> None:
    body = re.search(r"enum bpf_prog_type \{(.*?)\}", HEADER.read_text(), re.DOTALL)
    assert body
    names = [name.lower() for name in re.findall(r"\bBPF_PROG_TYPE_(\w+),", body[1])]
    assert len(names) > 30
    assert list(bpf.PROG_TYPES)[: len(names)] == names[: len(bpf.PROG_TYPES)]
    assert (bpf.PROG_TYPES["tracepoint"], bpf.PROG_TYPES["netfilter"]) == (5, 32)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("main", "main"),
        ("sys_enter.part.0", "sys_enter.part.0"[:15]),
        ("a/b c-d\né", "a_b_c_d__"),
        ("x" * 300, "x" * 15),
        ("", ""),
    ],
)
def test_a_name_becomes_one_that_the_kernel_takes(name: str, kept: str) -> None:
    assert bpf.object_name(name) == kept


@pytest.mark.kernel
def test_a_loaded_program_is_close_on_exec_and_says_what_the_kernel_says_of_it() -> None:
    answer = bpf.prog_load(5, insns.accepted(2), "GPL", name="told")
    assert answer.fd is not None
    try:
        assert fcntl.fcntl(answer.fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
        info = bpf.prog_info(answer.fd)
        told = dict(
            line.split(":\t") for line in Path(f"/proc/self/fdinfo/{answer.fd}").read_text().splitlines()
        )
        assert (info.tag, info.id, info.type) == (told["prog_tag"], int(told["prog_id"]), 5)
        assert (info.name, info.xlated_bytes) == ("told", 16)
        assert (info.jited_bytes > 0) == (told["prog_jited"] == "1")
        assert insns.loaded("told") == [info.id]
    finally:
        os.close(answer.fd)


@pytest.mark.kernel
def test_info_of_an_fd_that_is_no_program_is_an_error_of_the_system() -> None:
    with Path("/dev/null").open() as null, pytest.raises(OSError, match="Invalid argument"):
        bpf.prog_info(null.fileno())
