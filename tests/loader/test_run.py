# SPDX-License-Identifier: Apache-2.0
"""A run shows what programs print, ends when it is told to, and leaves nothing behind."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import assemble
from bpfline_loader import bundle, run, tracefs
from conftest import NOBODY
from running import LOADER, RUN, TERMINATING, Run, execute, mounts, program_ids, run_to_the_end, until

pytestmark = pytest.mark.kernel

CPUS = sorted(os.sched_getaffinity(0))


@pytest.fixture(autouse=True)
def nothing_is_left():
    programs, mounted = program_ids(), mounts()
    yield
    until(lambda: program_ids() <= programs)  # the kernel frees them after a grace period
    assert mounts() == mounted


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    assemble.make_bundle(tmp_path / "hello", assemble.says(b"hello\n"))
    return tmp_path / "hello"


def pids(out: str) -> list[tuple[str, int]]:
    """(process, processor) of every line of the program's."""
    found = re.findall(r"-(\d+) +\[(\d+)\] .*: bpf_trace_printk: hello$", out, re.MULTILINE)
    return [(pid, int(cpu)) for pid, cpu in found]


def test_each_program_executed_on_each_processor_gives_exactly_one_line(tmp_path: Path, hello: Path) -> None:
    with Run(tmp_path, hello).attached() as child:
        executed = [(pid, cpu) for cpu in CPUS for pid in execute(cpu)]
        out = child.end(signal.SIGTERM)
    mine = {pid for pid, _ in executed}
    assert [line for line in pids(out) if line[0] in mine] == executed
    assert f"detached; {len(out.splitlines())} lines from the programs" in child.messages()


def test_lines_come_as_they_are_printed(tmp_path: Path, hello: Path) -> None:
    with Run(tmp_path, hello).attached() as child:
        (pid, *_) = execute(CPUS[0])
        while f"-{pid} " not in child.process.stdout.readline().decode():
            pass
        assert child.process.poll() is None


@pytest.mark.parametrize("number", TERMINATING)
def test_a_signal_ends_it_at_once_with_0(tmp_path: Path, hello: Path, number: int) -> None:
    with Run(tmp_path, hello).attached() as child:
        began = time.monotonic()
        child.end(number)
        assert time.monotonic() - began < 1
        assert child.process.returncode == 0
        assert "detached" in child.messages()


def test_nohup_keeps_its_meaning(tmp_path: Path, hello: Path) -> None:
    with Run(tmp_path, hello, before=("nohup",)).attached() as child:
        child.process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        assert child.process.poll() is None
        child.end(signal.SIGTERM)
        assert child.process.returncode == 0


def test_for_ends_it_in_time(tmp_path: Path, hello: Path) -> None:
    with Run(tmp_path, hello, "--for", 0.5).attached() as child:
        began = time.monotonic()
        child.end()
    assert 0.2 < time.monotonic() - began < 1
    assert child.process.returncode == 0


def test_for_ends_it_in_time_while_lines_pour_in(tmp_path: Path) -> None:
    assemble.make_bundle(tmp_path / "pours", assemble.says(b"pours"), "raw_syscalls/sys_enter")
    busy = "import os\nwhile True: os.getppid()"
    with subprocess.Popen([sys.executable, "-c", busy]) as pourer:
        try:
            with Run(tmp_path, tmp_path / "pours", "--for", 1, stdout=subprocess.DEVNULL).attached() as child:
                began = time.monotonic()
                child.process.wait(30)
                took = time.monotonic() - began
        finally:
            pourer.kill()
    assert child.process.returncode == 0
    assert took < 4  # one second, and what then stood in the kernel's buffers
    assert int(re.search(r"detached; (\d+) lines", child.messages())[1]) > 1000


def test_it_ends_though_nobody_takes_its_lines(tmp_path: Path) -> None:
    assemble.make_bundle(tmp_path / "pours", assemble.says(b"pours"), "raw_syscalls/sys_enter")
    with Run(tmp_path, tmp_path / "pours").attached() as child:
        time.sleep(0.5)  # the pipe is full
        child.process.send_signal(signal.SIGINT)
        assert child.process.wait(10) == 0
        assert "not written" in child.messages()


def test_lines_printed_before_the_end_are_all_shown(tmp_path: Path, hello: Path) -> None:
    with Run(tmp_path, hello).attached() as child:
        child.process.send_signal(signal.SIGSTOP)
        executed = execute(CPUS[0])
        child.process.send_signal(signal.SIGTERM)
        out = child.end(signal.SIGCONT)
    shown = [pid for pid, _ in pids(out)]
    assert [shown.count(pid) for pid in executed] == [1] * len(executed)


def test_lines_of_an_earlier_run_are_not_shown(tmp_path: Path, hello: Path) -> None:
    with Run(tmp_path, hello).attached() as child:
        child.process.send_signal(signal.SIGSTOP)
        executed = execute(CPUS[0])
        child.end(signal.SIGKILL)
    status, out, said = run_to_the_end(tmp_path, hello, "--for", 0)
    assert status == 0
    assert not {pid for pid, _ in pids(out)} & set(executed)
    assert re.search(r"passing over \d+ lines", said)


def test_sigkill_leaves_nothing_loaded_attached_or_mounted(tmp_path: Path, hello: Path) -> None:
    before, mounted = program_ids(), mounts()
    with Run(tmp_path, hello).attached() as child:
        assert program_ids() > before
        assert mounts() == mounted
        child.end(signal.SIGKILL)
        until(lambda: program_ids() == before)


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "/dev/null"])
def test_without_a_terminal_it_stays_until_told(tmp_path: Path, hello: Path, closed: bool) -> None:
    before = ("sh", "-c", 'exec "$@" <&-', "sh") if closed else ()
    with Run(tmp_path, hello, before=before).attached() as child:
        time.sleep(0.5)
        assert child.process.poll() is None
        child.end(signal.SIGTERM)
        assert child.process.returncode == 0


def test_with_all_standard_streams_closed_it_still_works(tmp_path: Path, hello: Path) -> None:
    command = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *RUN, str(hello), "--for", "0.2"]
    assert subprocess.run(command, env={**os.environ, "PYTHONPATH": str(LOADER)}).returncode == 0


def test_a_second_run_is_told_who_reads_trace_pipe(tmp_path: Path, hello: Path) -> None:
    with Run(tmp_path, hello).attached() as child:
        status, out, said = run_to_the_end(tmp_path, hello)
        assert (status, out) == (2, "")
        assert f"(pid {child.process.pid})" in said and "Traceback" not in said
        assert child.process.poll() is None


def test_a_reader_that_leaves_ends_it_at_once(tmp_path: Path, hello: Path) -> None:
    with Run(tmp_path, hello).attached() as child:
        child.process.stdout.close()
        child.process.stdout = None
        assert child.process.wait(10) == 0
        assert "detached" in child.messages() and "Traceback" not in child.messages()


def test_a_full_disk_is_said(tmp_path: Path, hello: Path) -> None:
    with Path("/dev/full").open("wb") as full, Run(tmp_path, hello, stdout=full).attached() as child:
        execute(CPUS[0])
        assert child.process.wait(10) == 2
        assert "standard output: error: cannot be written: ENOSPC" in child.messages()
        assert "Traceback" not in child.messages() and "Exception" not in child.messages()


def test_a_refusal_is_1_with_the_whole_log_and_nothing_attached(tmp_path: Path, hello: Path) -> None:
    assemble.make_bundle(tmp_path / "bad", assemble.refused())
    status, _, said = run_to_the_end(tmp_path, tmp_path / "bad", hello)
    assert status == 1
    assert "R0 !read_ok" in said and "processed 1 insns" in said
    assert "bad/main: error: refused (EACCES)" in said
    assert "hello/main: accepted" in said and "attached hello" not in said
    assert said.endswith("not every program could be loaded: nothing is attached\n")


def test_a_bundle_for_the_other_byte_order_is_not_loaded(tmp_path: Path, hello: Path) -> None:
    other = "big" if sys.byteorder == "little" else "little"
    path = hello / bundle.DESCRIPTION
    path.write_text(path.read_text().replace(f'"byteorder": "{sys.byteorder}"', f'"byteorder": "{other}"'))
    status, _, said = run_to_the_end(tmp_path, hello)
    assert status == 2
    assert f"hello: error: built for {other}-endian machines" in said and "attached" not in said


def test_no_privilege_is_one_line_and_its_help(tmp_path: Path, hello: Path) -> None:
    for path in (tmp_path, *tmp_path.parents[:2], *hello.rglob("*")):
        path.chmod(0o755)
    status, _, said = run_to_the_end(tmp_path, hello, before=NOBODY)
    assert status == 2
    assert "EPERM" in said and len(said.splitlines()) == 2
    assert said.splitlines()[1].startswith("  help: ")


def test_an_unknown_tracepoint_is_said_with_near_ones(tmp_path: Path) -> None:
    assemble.make_bundle(tmp_path / "x", assemble.says(b"x"), "syscalls/sys_enter_exceve")
    status, _, said = run_to_the_end(tmp_path, tmp_path / "x")
    assert status == 2
    assert "did you mean" in said and "syscalls/sys_enter_execve" in said


def test_tracing_that_is_switched_off_is_warned_of(tmp_path: Path, hello: Path) -> None:
    def switch(value: bytes) -> None:
        with tracefs.found() as files, os.fdopen(files.open("tracing_on", os.O_WRONLY), "wb") as file:
            file.write(value)

    switch(b"0")
    try:
        status, _, said = run_to_the_end(tmp_path, hello, "--for", 0)
    finally:
        switch(b"1")
    assert status == 0
    assert "warning: tracing is switched off" in said


def test_it_works_in_a_process_with_other_threads_and_restores_its_handlers(hello: Path) -> None:
    before = {number: signal.getsignal(number) for number in TERMINATING}
    out, err = io.StringIO(), io.StringIO()
    end = threading.Event()

    def executes() -> None:
        until(lambda: "Ctrl-C ends" in err.getvalue())
        execute(CPUS[0])
        os.kill(os.getpid(), signal.SIGTERM)
        end.wait(10)

    thread = threading.Thread(target=executes)
    thread.start()
    try:
        assert run.run([bundle.read(hello)], seconds=20, out=out, err=err) == 0
    finally:
        end.set()
        thread.join()
    assert len(pids(out.getvalue())) >= 5
    assert {number: signal.getsignal(number) for number in TERMINATING} == before
