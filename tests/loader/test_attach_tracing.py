# SPDX-License-Identifier: Apache-2.0
"""Tracepoints, raw tracepoints, perf events and iterators run what is attached, until it is closed."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import counting
from bpfline_loader import bpf, bpf_link, perf, tracefs
from bpfline_loader.attach import attach, perf_link
from bpfline_loader.bundle import Bundle
from bpfline_loader.errors import KernelError, Problem
from bpfline_loader.object import opened
from counting import bundle, descriptors, iterator, loaded
from running import program_ids, until

pytestmark = pytest.mark.kernel


def executes() -> None:
    subprocess.run(["/bin/true"], check=True)


def burns() -> None:
    end = time.monotonic() + 0.2
    while time.monotonic() < end:
        pass


EVENTS: dict[str, tuple[Bundle, Callable[[], None]]] = {
    "tracepoint": (bundle("tracepoint", "tp/x", "syscalls/sys_enter_execve"), executes),
    "raw_tp": (bundle("raw_tracepoint", "raw_tp/x", "sched_process_exec"), executes),
    "raw_tp.w": (bundle("raw_tracepoint_writable", "raw_tp.w/x", "sched_process_exec"), executes),
    "tp_btf": (
        bundle(
            "tracing",
            "tp_btf/x",
            "sched_process_exec",
            expected="trace_raw_tp",
            attach_btf="btf_trace_sched_process_exec",
        ),
        executes,
    ),
    "perf_event": (bundle("perf_event", "perf_event"), burns),
    "perf_event by period": (bundle("perf_event", "perf_event", "period=1000000"), burns),
}


@pytest.mark.parametrize("name", EVENTS)
def test_it_runs_while_it_is_attached_and_not_after(name: str) -> None:
    what, happens = EVENTS[name]
    before = descriptors()
    with loaded(what) as counting_:
        attachment = counting_.attach()
        happens()
        until(lambda: counting_.count > 0)
        attachment.close()
        time.sleep(0.05)  # one that runs now may end
        counted = counting_.count
        happens()
        assert counting_.count == counted
    assert descriptors() == before


@pytest.mark.parametrize("name", EVENTS)
def test_sigkill_detaches_and_unloads_it(name: str) -> None:
    what, _ = EVENTS[name]

    def attaches() -> int:
        with loaded(what) as counting_:
            counting_.attach()
            return bpf.prog_info(counting_.fd).id

    with counting.child(attaches) as (pid, program):
        assert program in program_ids()  # by its attachment alone
        os.kill(pid, signal.SIGKILL)
        until(lambda: program not in program_ids())


def test_a_tracepoint_is_bound_by_ioctl_as_well_as_through_a_link(monkeypatch: pytest.MonkeyPatch) -> None:
    assert perf_link.has_links()
    monkeypatch.setattr(perf_link, "has_links", lambda: False)
    monkeypatch.setattr(bpf_link, "link_create", None)
    what, happens = EVENTS["tracepoint"]
    with loaded(what) as counting_:
        attachment = counting_.attach()
        assert len(attachment.fds) == 1
        happens()
        assert counting_.count >= 1
        attachment.close()
        counted = counting_.count
        happens()
        assert counting_.count == counted


def test_a_sampling_program_is_on_every_processor() -> None:
    with loaded(EVENTS["perf_event"][0]) as counting_:
        attachment = counting_.attach()
        try:
            held = [Path("/proc/self/fd", str(fd)).readlink().name for fd in attachment.fds]
            events = [name for name in held if name.endswith("[perf_event]")]
            assert len(events) == len(perf.online_cpus()) == os.cpu_count()
        finally:
            attachment.close()


def test_online_processors_are_read_as_the_kernel_writes_them(tmp_path, monkeypatch) -> None:
    for text, cpus in {"0\n": [0], "0-3\n": [0, 1, 2, 3], "2,4-6,9\n": [2, 4, 5, 6, 9]}.items():
        (tmp_path / "online").write_text(text)
        monkeypatch.setattr(perf, "ONLINE", tmp_path / "online")
        assert perf.online_cpus() == cpus


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("99", "is not how often to sample"),
        ("freq=0", "is not how often to sample"),
        ("freq=4000000000", "times a second at most"),
    ],
)
def test_a_wrong_rate_is_said_and_leaves_no_event(words: str, said: str) -> None:
    with loaded(bundle("perf_event", "perf_event", words)) as counting_:
        before = descriptors()
        with pytest.raises(Problem) as caught:
            counting_.attach()
        assert said in str(caught.value)
        assert descriptors() == before


def test_an_unknown_raw_tracepoint_is_said_with_near_ones() -> None:
    with loaded(bundle("raw_tracepoint", "raw_tp/x", "sched_swich")) as counting_:
        with pytest.raises(KernelError) as caught:
            counting_.attach()
        assert caught.value.errno == "ENOENT"
        assert "did you mean sched_switch" in caught.value.help


def test_an_iterator_goes_through_everything_once() -> None:
    what = iterator(b"a task!\n")
    with opened(what) as in_kernel, tracefs.found() as files:
        attempt = in_kernel.load(what.programs[0])
        assert attempt.fd is not None, attempt.message
        attachment = attach(what.programs[0], attempt.fd, files)
        attachment.close()
        os.close(attempt.fd)
    lines = attachment.text.decode().splitlines()
    assert set(lines) == {"a task!"}
    assert len(lines) > 10  # and one more at the end, without a task
