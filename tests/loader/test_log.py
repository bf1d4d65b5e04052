# SPDX-License-Identifier: Apache-2.0
"""Which log is asked for, and that all of it is kept."""

from __future__ import annotations

import dataclasses
import errno
import os
import resource
from collections.abc import Callable

import pytest

import insns
from bpfline_loader import bpf, log

FIXED = 8  # BPF_LOG_FIXED: keep the log's beginning, as every kernel before 6.4 does


def loads(code: bytes) -> log.Load:
    return lambda level, memory: bpf.prog_load(5, code, "GPL", log_level=level, log=memory)


def seen(load: log.Load) -> tuple[list[tuple[int, int]], log.Load]:
    """load, and a list of the (level, memory) that it is called with."""
    calls: list[tuple[int, int]] = []

    def call(level: int, memory: log.Memory) -> bpf.Answer:
        calls.append((level, 0 if memory is None else len(memory)))
        return load(level, memory)

    return calls, call


def before_6_4(code: bytes) -> log.Load:
    """Loads that keep the log's head and do not tell its size."""

    def load(level: int, memory: log.Memory) -> bpf.Answer:
        answer = bpf.prog_load(5, code, "GPL", log_level=level | FIXED, log=memory)
        return dataclasses.replace(answer, log_true_size=0)

    return load


@pytest.mark.parametrize(
    ("mode", "processed", "refused", "levels"),
    [
        ("auto", 0, True, (6,)),
        ("auto", 2_000, False, (6,)),
        ("auto", 2_000, True, (6,)),
        ("auto", 2_001, False, ()),
        ("auto", 2_001, True, (5,)),
        ("auto", 100_000, True, (5,)),
        ("auto", 100_001, True, ()),
        ("auto", None, True, ()),
        ("full", 1_000_000, False, (6,)),
        ("full", 1_000_000, True, (6, 5)),
        ("short", 1, True, ()),
        ("refused", 1, False, ()),
        ("refused", 2_000, True, (6,)),
        ("refused", 2_001, True, (5,)),
        ("refused", 100_001, True, ()),
    ],
)
def test_the_level_follows_from_cost_and_verdict(
    mode: str, processed: int | None, refused: bool, levels: tuple[int, ...]
) -> None:
    assert log.levels(mode, processed, refused) == levels


@pytest.mark.kernel
@pytest.mark.parametrize("make", [loads, before_6_4])
@pytest.mark.parametrize("code", [insns.accepted(300), insns.refused(300)], ids=["accepted", "refused"])
def test_memory_that_starts_small_grows_until_the_log_is_whole(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[bytes], log.Load], code: bytes
) -> None:
    plain = log.capture(loads(code), 2)  # level 2 alone: without "verification time", always the same
    if plain.answer.fd is not None:
        os.close(plain.answer.fd)
    whole = plain.log
    assert whole is not None
    monkeypatch.setattr(log, "FIRST_SIZE", 128)
    calls, load = seen(make(code))
    grown = log.capture(load, 2)
    if grown.answer.fd is not None:
        os.close(grown.answer.fd)
    assert calls[0][1] == 128 and len(calls) > 1
    assert grown.log == whole
    assert len(whole) > 4096
    assert grown.answer.errno in (0, errno.EACCES)


@pytest.mark.kernel
def test_a_kernel_that_tells_the_size_is_asked_twice_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "FIRST_SIZE", 128)
    calls, load = seen(loads(insns.refused(1000)))
    assert log.capture(load, 6).log is not None
    assert len(calls) == 2


@pytest.mark.kernel
def test_a_log_of_any_length_around_the_memorys_is_kept_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """One byte less, as many, one more: with the NUL, without it, from every kernel's kind of log."""
    whole = log.capture(loads(insns.refused(3)), 2).log
    assert whole is not None
    for size in range(len(whole) - 2, len(whole) + 4):
        monkeypatch.setattr(log, "FIRST_SIZE", size)
        for make in (loads, before_6_4):
            kept = log.capture(make(insns.refused(3)), 2)
            assert (kept.log, kept.answer.errno) == (whole, errno.EACCES), (size, make)


@pytest.mark.kernel
def test_when_the_largest_log_is_too_small_a_lower_level_is_kept_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(log, "FIRST_SIZE", 4096)
    monkeypatch.setattr(log, "LARGEST", 4096)
    kept = log.record(loads(insns.refused(1000)), "full")
    assert (kept.answer.fd, kept.answer.errno) == (None, errno.EACCES)
    assert (kept.level, kept.log) == (4, kept.words)
    assert b"R0 !read_ok" in kept.log and b"processed 1000 insns" in kept.log
    assert "level 6 does not fit" in kept.note and "level 5 does not fit" in kept.note
    assert "level 4 was kept" in kept.note


@pytest.mark.kernel
def test_without_room_for_any_log_the_verdict_still_is_the_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "FIRST_SIZE", 128)
    monkeypatch.setattr(log, "LARGEST", 128)
    kept = log.record(loads(insns.refused(1)), "auto")
    assert (kept.answer.errno, kept.level, kept.log) == (errno.EACCES, 0, b"")
    assert "no log was kept" in kept.note


@pytest.mark.kernel
def test_when_memory_is_refused_a_lower_level_is_kept_and_that_is_said() -> None:
    code = insns.refused(100_000)

    def limit() -> None:
        pages = int(open("/proc/self/statm").read().split()[0])  # noqa: PTH123, SIM115
        most = pages * resource.getpagesize() + (4 << 20)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))

    def work() -> tuple[int, int, str, bytes]:
        kept = log.record(loads(code), "full")
        return kept.answer.errno, kept.level, kept.note, kept.log[-200:]

    failed, level, note, end = insns.in_child(work, prepare=limit)
    assert failed == errno.EACCES
    assert "bytes of memory for the log at level 6 were refused" in note
    assert level in (4, 5) and f"the log of level {level} was kept" in note
    assert b"processed 100000 insns" in end


@pytest.mark.kernel
def test_the_second_load_leaves_no_program_behind() -> None:
    def load(level: int, memory: log.Memory) -> bpf.Answer:
        return bpf.prog_load(5, insns.accepted(2), "GPL", name="twice", log_level=level, log=memory)

    kept = log.record(load, "auto")
    assert kept.answer.fd is not None
    assert len(insns.loaded("twice")) == 1
    os.close(kept.answer.fd)
    assert insns.loaded("twice") == []


@pytest.mark.kernel
def test_an_interrupt_during_the_second_load_leaves_no_program_behind() -> None:
    def load(level: int, memory: log.Memory) -> bpf.Answer:
        if level != log.STATS:
            raise KeyboardInterrupt
        return bpf.prog_load(5, insns.accepted(2), "GPL", name="broken_off", log_level=level, log=memory)

    with pytest.raises(KeyboardInterrupt):
        log.record(load, "auto")
    assert insns.loaded("broken_off") == []
