# SPDX-License-Identifier: Apache-2.0
"""The doctor, on this machine as it is and with things taken away."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import bpfline
import bpfline_loader
from bpfline import doctor
from bpfline.settings import Settings

PACKAGES = os.pathsep.join(str(Path(package.__path__[0]).parent) for package in (bpfline, bpfline_loader))
DOCTOR = [sys.executable, "-m", "bpfline", "doctor"]
NAMES = {
    "python", "doit", "clang", "headers", "llvm-objcopy", "host compiler", "bpftool", "kernel BTF",
    "privileges", "tracefs", "perf_event_open(2)", "bpf(2)", "memlock", "kernel.unprivileged_bpf_disabled",
    "kernel.perf_event_paranoid", "net.core.bpf_jit_enable", "lockdown",
}  # fmt: skip

# Root without any capability: what a process of any other user has, but it can read this repository.
WITHOUT_PRIVILEGE = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []


def run(*argv: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": PACKAGES, **environment}
    env.pop("CC", None)
    return subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True)


def checks(*argv: str, cwd: Path, **environment: str) -> dict[str, dict[str, Any]]:
    """What the doctor's --json says, by the names of the checks."""
    ended = run(*argv, "--json", cwd=cwd, **environment)
    found = json.loads(ended.stdout)
    assert found["schema"] == 1
    assert ended.stderr == ""
    missing = [check for check in found["checks"] if check["status"] == "missing"]
    assert ended.returncode == (2 if missing else 0)
    assert all(check["remedy"] for check in missing)
    return {check["name"]: check for check in found["checks"]}


def path_without(folder: Path, *left_out: str) -> str:
    """A PATH that has what bpfline calls, but for some."""
    folder.mkdir()
    for name in {"clang", "llvm-objcopy", "gcc", "bpftool"} - set(left_out):
        path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
        if path:
            (folder / name).symlink_to(path)
    return str(folder)


@pytest.mark.kernel
def test_a_machine_that_runs_this_suite_lacks_nothing(tmp_path: Path) -> None:
    found = checks(*DOCTOR, cwd=tmp_path)
    assert set(found) == NAMES
    assert {check["status"] for check in found.values()} <= {"ok", "warning"}
    assert found["headers"]["detail"].endswith("asm/types.h")
    assert "loaded a program" in found["bpf(2)"]["detail"]


@pytest.mark.kernel
def test_the_table_has_each_check_and_each_remedy(tmp_path: Path) -> None:
    ended = run(*DOCTOR, cwd=tmp_path, PATH=path_without(tmp_path / "bin", "llvm-objcopy"))
    lines = ended.stdout.splitlines()
    assert {name for name in NAMES if any(f" {name} " in line for line in lines)} == NAMES
    (number,) = (number for number, line in enumerate(lines) if line.startswith("missing  llvm-objcopy"))
    assert lines[number + 1].strip().startswith("help: ")
    assert lines[-1] == "missing: llvm-objcopy"
    assert ended.returncode == 2


def test_without_clang_it_names_clang_and_how_to_get_it(tmp_path: Path) -> None:
    found = checks(*DOCTOR, cwd=tmp_path, PATH=path_without(tmp_path / "bin", "clang"))
    assert found["clang"]["status"] == "missing"
    assert found["clang"]["detail"] == "clang is not installed"
    assert "install clang" in found["clang"]["remedy"] or "add clang" in found["clang"]["remedy"]
    assert found["llvm-objcopy"]["status"] == "ok"


def test_without_a_host_compiler_there_is_a_warning_only(tmp_path: Path) -> None:
    bare = tmp_path / "clang-without-libc"
    bare.write_text(f'#!/bin/sh\nexec {shutil.which("clang")} -nostdlibinc "$@"\n')
    bare.chmod(0o755)
    path = path_without(tmp_path / "bin", "clang", "gcc")
    (tmp_path / "bin/clang").symlink_to(bare)
    found = checks(*DOCTOR, cwd=tmp_path, PATH=path)
    assert found["host compiler"]["status"] == "warning"
    assert found["headers"]["status"] == "missing"
    assert found["headers"]["detail"] == "'linux/bpf.h' file not found"


def test_the_projects_own_clang_is_the_one_that_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.bpfline]\nclang = "clang-of-that-project"\n')
    found = checks(*DOCTOR, cwd=tmp_path)
    assert found["clang"]["detail"] == "clang-of-that-project is not installed"


def test_a_compiler_that_does_not_know_bpf_is_missing(tmp_path: Path) -> None:
    other = tmp_path / "clang"
    other.write_text(f'#!/bin/sh\ncase "$*" in *bpf*) exit 1 ;; esac\nexec {shutil.which("clang")} "$@"\n')
    other.chmod(0o755)
    found = {check.name: check for check in doctor.checks(Settings(clang=str(other)))}
    assert found["clang"].status == "missing"
    assert "does not compile for bpf" in found["clang"].detail


def test_without_privilege_it_says_so_and_what_to_do(tmp_path: Path) -> None:
    found = checks(*WITHOUT_PRIVILEGE, *DOCTOR, cwd=tmp_path)
    assert found["privileges"]["status"] == "missing"
    assert "no capability" in found["privileges"]["detail"]
    assert "sudo" in found["privileges"]["remedy"]
    assert found["bpf(2)"]["status"] == "missing"
    assert "EPERM" in found["bpf(2)"]["detail"]
    assert "CAP_BPF" in found["bpf(2)"]["remedy"]
    assert found["clang"]["status"] == "ok"


@pytest.mark.kernel
def test_nothing_is_left_mounted(tmp_path: Path) -> None:
    mounts = Path("/proc/self/mountinfo")
    before = mounts.read_text()
    run(*DOCTOR, cwd=tmp_path)
    assert mounts.read_text() == before


def test_it_leaves_no_file_behind(tmp_path: Path) -> None:
    run(*DOCTOR, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []
