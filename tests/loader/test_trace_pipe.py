# SPDX-License-Identifier: Apache-2.0
"""trace_pipe's lines are told apart, made harmless, and read by one reader."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bpfline_loader import trace_pipe, tracefs
from bpfline_loader.errors import Problem
from bpfline_loader.trace_pipe import TracePipe

OURS = b"            bash-24521   [001] ...21  1537.596812: bpf_trace_printk: "
OLD = b"           <...>-312     [000] d... 12.345678: 0: "  # before 5.9
OLDER = b"           <...>-312   [000] d... 12.345678: 0x00000001: "
OTHERS = b"          <idle>-0     (-------) [001] d..2.  1537.5: sched_switch: "


@pytest.fixture
def pipe():
    """(where a test writes, a TracePipe that reads it)"""
    read, write = os.pipe2(os.O_NONBLOCK)
    yield write, TracePipe(read)
    os.close(read)
    os.close(write)


def through(pipe, data: bytes) -> list[tuple[str, bool]]:
    os.write(pipe[0], data)
    return [(line.text, line.ours) for line in pipe[1].read()]


@pytest.mark.parametrize("head", [OURS, OLD, OLDER, OURS.replace(b"bash", b"a b: c-1 [0] d")])
def test_a_programs_line_is_ours_on_kernels_old_and_new(pipe, head: bytes) -> None:
    assert through(pipe, head + b"hi\n") == [((head + b"hi").decode(), True)]


def test_anothers_event_is_shown_and_not_ours(pipe) -> None:
    lines = through(pipe, OTHERS + b"bpf_trace_printk: x\nCPU:1 [LOST 12 EVENTS]\n" + OURS + b"hi\n")
    assert [ours for _, ours in lines] == [False, False, True]


def test_what_a_program_prints_over_several_lines_is_all_ours(pipe) -> None:
    assert [ours for _, ours in through(pipe, OURS + b"a\nb\n\nc\n" + OTHERS + b"x\ny\n")] == [
        *[True] * 4, *[False] * 2
    ]  # fmt: skip


def test_the_newline_that_ends_a_format_makes_no_empty_line(pipe) -> None:
    assert len(through(pipe, OURS + b"a\n\n" + OURS + b"b\n\n")) == 2


def test_a_partial_line_waits_for_its_newline(pipe) -> None:
    assert through(pipe, OURS + b"a\xc3") == []
    assert through(pipe, b"\xa4\n") == [(OURS.decode() + "aä", True)]
    assert pipe[1].read() is None


def test_no_program_can_drive_the_terminal(pipe) -> None:
    ((text, _),) = through(pipe, OURS + b"\x1b]0;x\x07\t\x9b\xff\r\n")
    assert text == OURS.decode() + "\\x1b]0;x\\x07\t\ufffd\ufffd\\x0d"


def test_what_stood_there_before_is_passed_over(pipe) -> None:
    os.write(pipe[0], OURS + b"a\n" + OURS + b"b\n")
    assert pipe[1].pass_over(1) == 2
    assert pipe[1].read() is None


HOLD = """
import sys, time
from bpfline_loader import tracefs
with tracefs.found() as files:
    fd = files.open(sys.argv[1])
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(params=["trace_pipe", "per_cpu/cpu0/trace_pipe"])
def holder(request):
    """Another process, which has a trace_pipe open through a mount of its own."""
    environment = {**os.environ, "PYTHONPATH": str(Path(tracefs.__file__).parent.parent)}
    command = [sys.executable, "-c", HOLD, request.param]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


@pytest.mark.kernel
def test_the_tool_that_reads_trace_pipe_is_named(holder: subprocess.Popen[str]) -> None:
    with tracefs.found() as files, pytest.raises(Problem) as caught, trace_pipe.reader(files):
        pass
    assert caught.value.status == 2
    assert f"(pid {holder.pid})" in caught.value.what and "python" in caught.value.what


@pytest.mark.kernel
def test_once_its_reader_is_gone_it_is_free(holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()
    with tracefs.found() as files, trace_pipe.reader(files):
        assert trace_pipe.holders(os.stat("trace_pipe", dir_fd=files.fd))[0] == []


@pytest.mark.kernel
def test_where_the_kernel_lets_two_in_a_lock_does_not() -> None:
    # On this kernel trace_pipe cannot be opened twice; the lock is tried on another file of tracefs.
    with tracefs.found() as files:
        first, second = files.open("README"), files.open("README")
        try:
            trace_pipe.claim(first, files)
            with pytest.raises(Problem, match="one reader only"):
                trace_pipe.claim(second, files)
            os.close(first)
            trace_pipe.claim(second, files)
        finally:
            os.close(second)


@pytest.mark.kernel
def test_a_holder_that_cannot_be_seen_is_said_to_be_so() -> None:
    with tracefs.found() as files:
        fd = files.open("trace_pipe", os.O_NONBLOCK)  # our own, which holders() leaves out
        try:
            said = trace_pipe.held(files).what
            assert "does not show" in said or "may not look into" in said
        finally:
            os.close(fd)
