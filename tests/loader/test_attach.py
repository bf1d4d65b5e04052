# SPDX-License-Identifier: Apache-2.0
"""What is attached runs once for each event, and is gone when its file descriptors are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import assemble
from bpfline_loader import load, perf, tracefs
from bpfline_loader.attach import attach
from bpfline_loader.bundle import Program
from bpfline_loader.errors import KernelError, Problem

EXECVE = "syscalls/sys_enter_execve"


def program(insns: bytes, target: str | None = EXECVE, kind: str = "tracepoint") -> Program:
    return Program("main", ".text", kind, target, insns)


@pytest.fixture
def loaded():
    fds = []

    def loads(what: Program) -> int:
        attempt = load.load(what, "GPL")
        assert attempt.fd is not None, attempt.message
        fds.append(attempt.fd)
        return attempt.fd

    yield loads
    for fd in fds:
        os.close(fd)


@pytest.mark.kernel
def test_an_event_on_a_second_processor_is_refused_the_same_program(loaded) -> None:
    what = program(assemble.says(b"x"))
    fd = loaded(what)
    with tracefs.found() as files:
        first = attach(what, fd, files)
        try:
            with pytest.raises(KernelError) as caught:
                attach(what, fd, files)
            assert caught.value.errno == "EEXIST"
        finally:
            first.close()
        attach(what, fd, files).close()  # and once that is detached, it is welcome again


@pytest.mark.kernel
def test_a_program_that_reads_past_the_record_is_told_so(loaded) -> None:
    what = program(assemble.reads_context(200))
    with tracefs.found() as files, pytest.raises(KernelError) as caught:
        attach(what, loaded(what), files)
    assert caught.value.errno == "EACCES"
    assert "past the end of the tracepoint's record" in caught.value.help


@pytest.mark.kernel
def test_a_program_with_no_target_or_of_another_type_is_a_clear_problem(loaded) -> None:
    fd = loaded(program(assemble.says(b"x")))
    with tracefs.found() as files:
        with pytest.raises(Problem, match="nothing says what it is to be attached to"):
            attach(program(b"", None), fd, files)
        with pytest.raises(Problem, match="struct_ops programs cannot be attached"):
            attach(program(b"", None, "struct_ops"), fd, files)


@pytest.mark.kernel
def test_a_failed_attachment_leaves_no_file_descriptor(loaded) -> None:
    what = program(assemble.reads_context(200))
    fd = loaded(what)
    with tracefs.found() as files:
        before = os.listdir("/proc/self/fd")  # noqa: PTH208
        with pytest.raises(KernelError):
            attach(what, fd, files)
        assert os.listdir("/proc/self/fd") == before  # noqa: PTH208


def test_the_first_processor_online_is_found(tmp_path: Path, monkeypatch) -> None:
    for text, first in {"0\n": 0, "0-1\n": 0, "2,4-7\n": 2, "3-5,8\n": 3}.items():
        (tmp_path / "online").write_text(text)
        monkeypatch.setattr(perf, "ONLINE", tmp_path / "online")
        assert perf.first_online_cpu() == first
