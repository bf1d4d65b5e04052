# SPDX-License-Identifier: Apache-2.0
"""One program to its fd or its refusal."""

from __future__ import annotations

import fcntl
import os
import resource
from pathlib import Path

import pytest

import insns
from bpfline_loader import bpf, privileges
from bpfline_loader.errors import KernelError
from bpfline_loader.load import Attempt, load
from bpfline_loader.trailer import Stats
from insns import program

pytestmark = pytest.mark.kernel


def attempt(code: bytes, *, license: str = "GPL", mode: str = "auto", **described: str) -> Attempt:  # noqa: A002
    """load(), with the program let go again."""
    result = load(program(code, **described), license, mode=mode)
    if result.fd is not None:
        os.close(result.fd)
    return result


def test_an_accepted_program_is_an_fd_with_figures_and_a_whole_log() -> None:
    result = load(program(insns.accepted(2), "held"), "GPL")
    assert result.fd is not None
    assert fcntl.fcntl(result.fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
    assert len(insns.loaded("held")) == 1
    os.close(result.fd)
    assert insns.loaded("held") == []
    assert (result.verdict, result.errno, result.message, result.note) == ("accepted", None, "", "")
    assert (result.stats.processed_insns, result.stats.stack_depth) == (2, 0)
    assert result.info is not None and result.info.xlated_bytes == 16
    assert result.log_level == 6
    assert result.log.startswith(b"func#0 @0\n") and b"\n1: (95) exit\n" in result.log
    assert result.log.endswith(b"\n") and b"\0" not in result.log


def test_a_refusal_is_a_result_with_the_verifiers_words() -> None:
    result = attempt(insns.refused(1))
    assert (result.verdict, result.fd, result.info, result.errno) == ("refused", None, None, "EACCES")
    assert result.message == "R0 !read_ok"
    assert b"R0 !read_ok\n" in result.log


def test_a_log_of_more_than_4_kib_makes_no_good_program_fail() -> None:
    result = attempt(insns.accepted(2_000))
    assert (result.verdict, result.log_level) == ("accepted", 6)
    assert len(result.log) > 100_000
    for at in (0, 999, 1998):
        assert b"\n%d: (b7) r0 = 0" % at in result.log
    assert b"processed 2000 insns" in result.log[-200:]


def test_twenty_thousand_instructions_are_traced_only_when_asked() -> None:
    short, full = attempt(insns.accepted(20_000)), attempt(insns.accepted(20_000), mode="full")
    assert (short.log_level, full.log_level) == (4, 6)
    assert short.stats.processed_insns == full.stats.processed_insns == 20_000
    assert len(short.log) < 1000 and len(full.log) > 1_000_000
    assert b"\n19998: (b7) r0 = 0" in full.log


def test_a_refusal_after_many_instructions_keeps_the_path_that_failed() -> None:
    assert attempt(insns.refused(2_001)).log_level == 5
    assert attempt(insns.refused(100_001)).log_level == 4


def test_short_keeps_words_and_figures_and_none_keeps_nothing() -> None:
    short, none = attempt(insns.refused(1), mode="short"), attempt(insns.refused(1), mode="none")
    assert short.log_level == 4 and short.log.startswith(b"R0 !read_ok\n")
    assert none.log == b""
    assert none.message == short.message == "R0 !read_ok"
    assert none.stats.processed_insns == 1


def test_a_helper_for_gpl_programs_is_refused_to_others_in_those_words() -> None:
    assert attempt(insns.prints()).verdict == "accepted"
    result = attempt(insns.prints(), license="Proprietary")
    assert (result.verdict, result.errno) == ("refused", "EINVAL")
    assert "cannot call GPL-restricted function from non-GPL compatible program" in result.message


def test_an_unknown_opcode_is_named() -> None:
    result = attempt(insns.insn(0x8D) + insns.accepted(2))
    assert (result.verdict, result.message) == ("refused", "unknown opcode 8d")


def test_more_instructions_than_the_kernel_takes_are_a_refusal_that_says_so() -> None:
    result = attempt(insns.accepted(1_000_001))
    assert (result.verdict, result.errno, result.log) == ("refused", "E2BIG", b"")
    assert "1,000,000" in result.message


def test_any_name_is_taken() -> None:
    for name in ("", "a/b", "ü" * 300, "a\nb", "-rf", "\udcff"):
        assert attempt(insns.accepted(2), name=name).verdict == "accepted"


def test_a_type_that_the_loader_does_not_know_is_an_error_that_lists_those_it_knows() -> None:
    with pytest.raises(KernelError) as raised:
        attempt(insns.accepted(2), kind="trace_point")
    assert "trace_point" in str(raised.value) and "tracepoint" in raised.value.help


def test_a_type_that_the_kernel_does_not_know_is_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(bpf.PROG_TYPES, "of_tomorrow", 4000)
    result = attempt(insns.accepted(2), kind="of_tomorrow")
    assert (result.verdict, result.errno) == ("unsupported", "EINVAL")
    assert result.message == "this kernel has no programs of type of_tomorrow"


def test_a_type_that_wants_more_than_was_given_is_not_called_unsupported() -> None:
    assert attempt(insns.accepted(2), kind="sk_lookup").verdict == "refused"
    assert attempt(insns.accepted(2), kind="tracing").message == "Tracing programs must provide btf_id"


def test_without_privilege_the_error_names_the_capabilities_and_the_setting() -> None:
    def work() -> tuple[str, str]:
        try:
            load(program(insns.accepted(2)), "GPL")
        except KernelError as error:
            return error.errno, error.help
        raise AssertionError("loaded")

    name, help_ = insns.in_child(work, prepare=insns.become_nobody)
    assert name == "EPERM"
    assert "CAP_BPF and CAP_PERFMON" in help_ and "sudo" in help_
    value = Path("/proc/sys/kernel/unprivileged_bpf_disabled").read_text().strip()
    assert (f"kernel.unprivileged_bpf_disabled is {value}" in help_) == (value != "0")


def test_lowered_from_root_it_raises_itself_for_the_load_alone() -> None:
    def work() -> tuple[str, int, Stats]:
        result = load(program(insns.accepted(2)), "GPL")
        return result.verdict, os.geteuid(), result.stats

    lower = lambda: privileges.lower(insns.NOBODY, insns.NOBODY)  # noqa: E731
    verdict, user, stats = insns.in_child(work, prepare=lower)
    assert (verdict, user, stats.processed_insns) == ("accepted", insns.NOBODY, 2)


def test_too_many_open_files_are_no_verdict() -> None:
    def work() -> tuple[str, str]:
        free = os.dup(0)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, free))
        try:
            load(program(insns.accepted(2)), "GPL")
        except KernelError as error:
            return error.errno, error.help
        raise AssertionError("loaded")

    assert insns.in_child(work) == ("EMFILE", "too many files are open: raise ulimit -n")
