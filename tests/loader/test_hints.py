# SPDX-License-Identifier: Apache-2.0
"""What an errno means here, and what to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import insns
from bpfline_loader import hints


@pytest.mark.parametrize("name", ["EPERM", "EACCES", "EINVAL", "E2BIG", "ENOSPC", "EFAULT"])
@pytest.mark.parametrize("doing", [hints.LOAD, hints.PERF, hints.ATTACH])
def test_each_has_more_than_the_systems_words_on_one_line(name: str, doing: str) -> None:
    said = hints.explain(name, doing)
    assert "\n" not in said and not said.endswith(".")
    assert len(said) > 20
    assert said.lower() != os.strerror(getattr(__import__("errno"), name)).lower()


def test_eacces_when_a_program_is_attached_is_about_its_context_not_about_privilege() -> None:
    said = hints.explain("EACCES", "attach")
    assert "reads past the end of the tracepoint's record" in said and "CAP_" not in said


def test_an_errno_without_an_entry_has_the_systems_words() -> None:
    assert hints.explain("ENOTDIR", "attach") == "not a directory"
    assert hints.explain("errno 999") == "the kernel answered errno 999"


def test_root_holds_what_its_status_says() -> None:
    effective = int(
        next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapEff"))
        .split()[1],
        16,
    )  # fmt: skip
    assert hints.capabilities() == {
        name for name, bit in hints.CAPABILITIES.items() if effective & (1 << bit)
    }


@pytest.mark.kernel
@pytest.mark.parametrize("name", ["EPERM", "EACCES"])
def test_without_privilege_perf_names_the_capability_and_the_setting(name: str) -> None:
    said = insns.in_child(lambda: hints.explain(name, hints.PERF), prepare=insns.become_nobody)
    assert "lacks CAP_PERFMON" in said
    value = int(Path("/proc/sys/kernel/perf_event_paranoid").read_text())
    assert (f"kernel.perf_event_paranoid is {value}" in said) == (value > -1)


@pytest.mark.kernel
def test_with_every_capability_eperm_is_not_blamed_on_privilege() -> None:
    assert "lacks" not in hints.explain("EPERM", hints.LOAD)


@pytest.mark.kernel
def test_inside_a_user_namespace_eperm_is_blamed_on_the_namespace() -> None:
    def enter() -> None:
        from bpfline_loader.syscalls import syscall

        syscall("unshare", 0x10000000)  # CLONE_NEWUSER

    said = insns.in_child(lambda: hints.explain("EPERM", hints.LOAD), prepare=enter)
    assert "user namespace" in said
