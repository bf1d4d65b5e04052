# SPDX-License-Identifier: Apache-2.0
"""What the running kernel is known by."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import insns
from bpfline_loader import kernel, privileges


def command(*args: str) -> str:
    return subprocess.run(args, check=True, capture_output=True, text=True).stdout.strip()


def test_it_has_the_words_of_uname_and_the_digest_of_the_kernels_types() -> None:
    running = kernel.running()
    assert f"{running.release} {running.version}" == command("uname", "-rv")
    assert running.machine == command("uname", "-m")
    if Path("/sys/kernel/btf/vmlinux").exists():
        assert running.btf == command("sha256sum", "/sys/kernel/btf/vmlinux").split()[0]
    else:
        assert running.btf is None


@pytest.mark.kernel
def test_jit_settings_are_read_and_those_that_cannot_be_are_none() -> None:
    settings = dict(kernel.running().jit)
    assert settings["bpf_jit_enable"] in ("0", "1", "2")
    assert settings["bpf_jit_harden"] in ("0", "1", "2")
    theirs = dict(insns.in_child(lambda: kernel.running().jit, prepare=insns.become_nobody))
    assert theirs["bpf_jit_enable"] == settings["bpf_jit_enable"]
    assert theirs["bpf_jit_harden"] is None


@pytest.mark.kernel
def test_a_user_who_was_lowered_from_root_sees_the_same_kernel() -> None:
    lower = lambda: privileges.lower(insns.NOBODY, insns.NOBODY)  # noqa: E731
    assert insns.in_child(kernel.running, prepare=lower) == kernel.running()
