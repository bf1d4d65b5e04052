# SPDX-License-Identifier: Apache-2.0
"""The doctor: what this machine has of what bpfline needs, what is missing, and what to do about it."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import re
import resource
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from bpfline_loader import hints, probe

from . import host_compiler, process
from .errors import Problem, printable
from .settings import Settings

SCHEMA = 1

OK = "ok"
WARNING = "warning"  # something that a build and a run can do without
MISSING = "missing"  # something that they cannot

_BTF = Path("/sys/kernel/btf/vmlinux")
_LOCKDOWN = Path("/sys/kernel/security/lockdown")
_SYSCTLS = Path("/proc/sys")
_PACKAGES = ("doit", "pyelftools", "jinja2", "rich")

# What each distribution calls it, where that is not the name itself.
_INSTALL = {
    "apt install": {
        "cc": "gcc libc6-dev",
        "headers": "linux-libc-dev",
        "bpftool": "bpftool (on Ubuntu 24.04: linux-tools-common linux-tools-generic)",
    },
    "dnf install": {"cc": "gcc glibc-devel", "headers": "kernel-headers"},
    "zypper install": {"cc": "gcc glibc-devel", "headers": "linux-glibc-devel"},
    "apk add": {"cc": "gcc musl-dev linux-headers", "headers": "linux-headers"},
}
_IN_WORDS = {"cc": "gcc and libc's headers", "headers": "the kernel's headers (linux/bpf.h)"}

# sysctl, the value that is worth a warning and what it means, the better value, what others mean
_JUDGED = (
    (
        "kernel.unprivileged_bpf_disabled",
        "0",
        "every user may call bpf(2)",
        "2",
        "bpf(2) is for the privileged",
    ),
    ("kernel.perf_event_paranoid", None, "", "", "no hindrance with CAP_PERFMON"),
    ("net.core.bpf_jit_enable", "0", "programs are interpreted", "1", "programs become machine code"),
)


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. status: OK, WARNING or MISSING; remedy: "" where all is well."""

    name: str
    status: str
    detail: str
    remedy: str = ""


def checks(settings: Settings) -> Iterator[Check]:
    """Every check, in the order in which a build and then a run come to need it."""
    yield _python()
    yield _packages()
    yield from _clang(settings.clang)
    yield _objcopy(settings.objcopy)
    yield _host_compiler()
    yield _bpftool()
    yield _btf()
    yield _privileges()
    yield from _tracing()
    yield _program()
    yield _memlock()
    yield from _sysctls()
    yield _lockdown()


def status(found: list[Check]) -> int:
    """The exit status: 0 when nothing that is needed is missing, else 2."""
    return Problem.status if any(check.status == MISSING for check in found) else 0


def to_json(found: list[Check]) -> str:
    return json.dumps({"schema": SCHEMA, "checks": [dataclasses.asdict(check) for check in found]}, indent=2)


def to_text(found: list[Check]) -> str:
    """A table for people, with each remedy below its line."""
    width = max(len(check.name) for check in found)
    lines = []
    for check in found:
        lines.append(f"{check.status:<8} {check.name:<{width}}  {printable(check.detail)}")
        if check.remedy:
            lines.append(f"{'':<{8 + 1 + width}}  help: {printable(check.remedy)}")
    missing = [check.name for check in found if check.status == MISSING]
    lines.append(f"missing: {', '.join(missing)}" if missing else "nothing that is needed is missing")
    return "\n".join(lines)


def _install(what: str) -> str:
    """The command that installs what here; plain words where the distribution is not known."""
    for command, packages in _INSTALL.items():
        if shutil.which(command.split()[0], path=os.defpath):
            return f"{command} {packages.get(what, what)}"
    return f"install {_IN_WORDS.get(what, what)}"


def _python() -> Check:
    return Check("python", OK, f"{platform.python_version()} ({sys.executable})")


def _packages() -> Check:
    versions = []
    for name in _PACKAGES:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            remedy = f"{sys.executable} -m pip install {name}"
            return Check("doit", MISSING, f"{name} is not installed", remedy)
    return Check("doit", OK, ", ".join(versions))


def _clang(name: str) -> Iterator[Check]:
    path = shutil.which(name)
    if path is None:
        remedy = _install("clang") + ", or set tool.bpfline.clang"
        yield Check("clang", MISSING, f"{name} is not installed", remedy)
        yield Check("headers", MISSING, "only clang can tell where it finds them", "install clang first")
        return
    version = _version(path, "--version")
    if process.run([path, "-target", "bpf", "-c", "-x", "c", "/dev/null", "-o", "/dev/null"]).returncode:
        remedy = _install("clang") + ": one that has the bpf target"
        yield Check("clang", MISSING, f"{version} does not compile for bpf", remedy)
    else:
        yield Check("clang", OK, f"{version}, compiles for bpf")
    yield _headers(path)


def _headers(clang: str) -> Check:
    # linux/bpf.h includes asm/types.h, which only the host's target finds: in Debian's multiarch folder.
    found = process.run([clang, "-M", "-include", "linux/bpf.h", "-x", "c", "/dev/null"])
    types = re.search(r"\S*asm/types\.h", found.stdout.decode(errors="replace"))
    if found.returncode or types is None:
        complaint = re.search(r"'[^']+' file not found", found.stderr.decode(errors="replace"))
        detail = complaint[0] if complaint else f"{clang} cannot include linux/bpf.h"
        return Check("headers", MISSING, detail, _install("headers"))
    return Check("headers", OK, f"linux/bpf.h, with {types[0]}")


def _objcopy(name: str) -> Check:
    path = shutil.which(name)
    if path is None:
        remedy = _install("llvm") + ", or set tool.bpfline.objcopy"
        return Check("llvm-objcopy", MISSING, f"{name} is not installed", remedy)
    return Check("llvm-objcopy", OK, _version(path, "--version"))


def _host_compiler() -> Check:
    remedy = _install("cc") + ", or set CC; only the C loader needs it"
    try:
        compiler = host_compiler.find()
    except Problem as problem:
        return Check("host compiler", WARNING, f"{problem.where} {problem.what}", remedy)
    if compiler is None:
        return Check("host compiler", WARNING, host_compiler.MISSING, remedy)
    return Check("host compiler", OK, compiler.version)


def _bpftool() -> Check:
    # Debian keeps it where only root's PATH looks.
    path = shutil.which("bpftool") or shutil.which("bpftool", path="/usr/sbin:/sbin")
    # Ubuntu's is a script that fails when the tools of the running kernel are not installed.
    if path is None or process.run([path, "version"]).returncode:
        detail = f"{path} does not work" if path else "bpftool is not installed"
        remedy = _install("bpftool") + "; it makes vmlinux.h, and objects of several sources"
        return Check("bpftool", WARNING, detail, remedy)
    return Check("bpftool", OK, _version(path, "version"))


def _version(path: str, option: str) -> str:
    """ "14.0.6 (/usr/bin/clang)", from what the tool says of itself."""
    said = process.run([path, option]).stdout.decode(errors="replace")
    found = re.search(r"\d+\.\d+\S*", said)
    return f"{found[0] if found else 'unknown version'} ({path})"


def _btf() -> Check:
    if _BTF.exists():
        return Check("kernel BTF", OK, f"{_BTF}, {_BTF.stat().st_size:,} bytes")
    remedy = "boot a kernel with CONFIG_DEBUG_INFO_BTF=y; vmlinux.h and CO-RE need it"
    return Check("kernel BTF", WARNING, f"there is no {_BTF}", remedy)


def _privileges() -> Check:
    held = hints.capabilities()
    who = f"uid {os.geteuid()}, {', '.join(sorted(held)) or 'no capability'}"
    if "CAP_SYS_ADMIN" in held or {"CAP_BPF", "CAP_PERFMON"} <= held:
        return Check("privileges", OK, who)
    remedy = "run as root or through sudo; a build needs none of it"
    return Check("privileges", MISSING, f"{who}: cannot load or attach", remedy)


def _tracing() -> Iterator[Check]:
    """tracefs, and the event that a tracepoint's program is attached to."""
    try:
        found = probe.tracing()
    except Problem as problem:
        yield _failed("tracefs", problem)
        return
    where = f"mounted at {found.path}" if found.path else "mounted nowhere, reached all the same"
    detail = f"{where}; {probe.TRACEPOINT} has id {found.id}"
    if found.on:
        yield Check("tracefs", OK, detail)
    else:
        remedy = f"echo 1 > {found.path or '/sys/kernel/tracing'}/tracing_on"
        yield Check("tracefs", WARNING, "tracing is switched off: no line will come", remedy)
    try:
        probe.perf_event(found.id)
    except Problem as problem:
        yield _failed("perf_event_open(2)", problem)
    else:
        yield Check("perf_event_open(2)", OK, f"opens {probe.TRACEPOINT} for every process")


def _program() -> Check:
    try:
        info = probe.program()
    except Problem as problem:
        return _failed("bpf(2)", problem)
    how = f"JIT, {info.jited_bytes} bytes of machine code" if info.jited_bytes else "interpreted"
    return Check("bpf(2)", OK, f"loaded a program of two instructions ({how})")


def _failed(name: str, problem: Problem) -> Check:
    where = f"{problem.where}: " if problem.where else ""
    return Check(name, MISSING, where + problem.what, problem.help)


def _memlock() -> Check:
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    said = "unlimited" if limit == resource.RLIM_INFINITY else f"{limit:,} bytes"
    # No probe answers this before the limit is reached: programs count as locked memory before v5.11.
    found = re.match(r"(\d+)\.(\d+)", platform.release())
    if limit == resource.RLIM_INFINITY or (found and (int(found[1]), int(found[2])) >= (5, 11)):
        return Check("memlock", OK, f"{said} (counts before Linux 5.11 only)")
    return Check("memlock", WARNING, f"{said}, of which programs are a part here", "ulimit -l unlimited")


def _sysctls() -> Iterator[Check]:
    for name, odd, meaning, better, otherwise in _JUDGED:
        try:
            value = _SYSCTLS.joinpath(*name.split(".")).read_text().strip()
        except OSError as error:
            yield Check(name, OK, f"cannot be read here ({error.strerror})")
            continue
        if value == odd:
            yield Check(name, WARNING, f"{value}: {meaning}", f"sysctl -w {name}={better}")
        else:
            yield Check(name, OK, f"{value}: {otherwise}")


def _lockdown() -> Check:
    try:
        modes = _LOCKDOWN.read_text()
    except OSError:
        return Check("lockdown", OK, "not in this kernel, or securityfs is not mounted")
    mode = modes.partition("[")[2].partition("]")[0]
    if mode == "confidentiality":
        remedy = "boot without lockdown=confidentiality, which shuts tracefs"
        return Check("lockdown", MISSING, mode, remedy)
    return Check("lockdown", OK, mode)
