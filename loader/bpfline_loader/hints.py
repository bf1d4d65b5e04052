# SPDX-License-Identifier: Apache-2.0
"""What an errno of bpf(2), perf_event_open(2) or the attaching ioctl means here, and what to do."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path

# linux/capability.h; CAP_PERFMON and CAP_BPF since 5.8, and CAP_SYS_ADMIN includes them.
CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21, "CAP_PERFMON": 38, "CAP_BPF": 39}

# What explain() knows to be done, and what it takes.
LOAD = "BPF_PROG_LOAD"
PERF = "perf_event_open"
ATTACH = "attach"
_NEEDS = {LOAD: ("CAP_BPF", "CAP_PERFMON"), PERF: ("CAP_PERFMON",), ATTACH: ("CAP_BPF", "CAP_PERFMON")}

# The setting under kernel.* that decides what needs no privilege, and its largest value that allows it.
_SYSCTLS = {LOAD: ("unprivileged_bpf_disabled", 0), PERF: ("perf_event_paranoid", -1)}

_ENTIRE = "0 0 4294967295"  # /proc/self/uid_map outside of a user namespace

# (errno, what was done) -> what it means; done "" is any.
_MEANINGS = {
    ("EACCES", PERF): "the kernel keeps this event from everybody without privilege",
    ("EACCES", ATTACH): "the program reads past the end of the tracepoint's record, which is shorter on this "
    "kernel: compare what it reads of its context with the event's format file in tracefs",
    ("EACCES", LOAD): "a security module (SELinux, for one) refused bpf(2): its audit log names the rule",
    ("EACCES", ""): "the kernel or a security module refuses it",
    ("EINVAL", LOAD): "the kernel refused the call before it looked at the program: it does not know this "
    "program type, or the type needs more than was given",
    ("EINVAL", PERF): "the kernel does not take this event: the tracepoint's id is another kernel's, or no "
    "such processor is there",
    ("EINVAL", ATTACH): "the program's type is not the event's: a tracepoint takes a program of type "
    "tracepoint, a kprobe or uprobe one of type kprobe",
    ("E2BIG", LOAD): "the program has more instructions than the kernel takes: 1,000,000 with CAP_BPF, 4,096 "
    "without",
    ("E2BIG", PERF): "this kernel does not know a field of perf_event_attr that was given",
    ("E2BIG", ATTACH): "as many programs are attached to this event as the kernel takes (64)",
    ("ENOSPC", LOAD): "there is no room for the verifier's log or the program's machine code "
    "(net.core.bpf_jit_limit)",
    ("ENOSPC", PERF): "all hardware counters are in use",
    ("ENOSPC", ""): "the kernel has no room left for it",
    ("EFAULT", LOAD): "the verifier met a fault of its own or could not write its log: dmesg has more; "
    "please report it to bpf@vger.kernel.org",
    ("EFAULT", ""): "the kernel could not read or write this process's memory",
    ("ENOSYS", ""): "this kernel was built without it, or a container's seccomp filter hides it",
    ("ENOMEM", ""): "the kernel has no memory for it: raise the memory limit of this cgroup or machine",
    ("EMFILE", ""): "too many files are open: raise ulimit -n",
    ("ENFILE", ""): "the whole machine has too many files open: raise fs.file-max",
    ("EAGAIN", ""): "signals kept interrupting it: try again",
    ("EEXIST", ATTACH): "this event has a program from somebody else already",
    ("EBUSY", ""): "somebody else uses it",
    ("ENOENT", PERF): "this kernel has no such event",
    ("ENODEV", ""): "this kernel has no such device or event source",
    ("EOPNOTSUPP", ""): "this kernel or processor does not support it",
    ("ENOTSUPP", ""): "this kernel or its JIT does not support it",
    ("EPROTO", ATTACH): "the program takes stacks, and the event was opened without callchains",
}


def explain(errno_name: str, doing: str = "") -> str:
    """What errno_name means for LOAD, PERF or ATTACH (or anything else), and what to do.

    One line without a full stop. Looks at the calling thread's privileges, so call it where the
    failed call was made: inside privileges.raised().
    """
    meaning = _MEANINGS.get((errno_name, doing)) or _MEANINGS.get((errno_name, ""))
    if errno_name == "EPERM" or (errno_name, doing) == ("EACCES", PERF):
        reasons = forbidders(doing) or [
            "a security module or the container refuses it: its audit log may say more"
        ]
        return "; ".join(filter(None, [meaning, *reasons]))
    if meaning is None:
        number = getattr(errno, errno_name, None)
        return os.strerror(number).lower() if number else f"the kernel answered {errno_name}"
    return meaning


def capabilities() -> frozenset[str]:
    """Those of CAPABILITIES that are effective in the calling thread."""
    effective = int(_status().get("CapEff", "0"), 16)
    return frozenset(name for name, bit in CAPABILITIES.items() if effective >> bit & 1)


def forbidders(doing: str) -> list[str]:
    """What is known that may have made the kernel say EPERM, the likeliest first.

    Looks at the calling thread's privileges, as explain() does.
    """
    held = capabilities()
    missing = [] if "CAP_SYS_ADMIN" in held else [cap for cap in _NEEDS.get(doing, ()) if cap not in held]
    if missing:
        said = f"this process lacks {' and '.join(missing)}: run it as root or through sudo"
        return [said, *_sysctl(doing)]
    reasons = []
    if _text("/proc/self/uid_map").split() != _ENTIRE.split():
        reasons.append(
            "this process is privileged only inside its user namespace: run it outside of the container"
        )
    if _status().get("Seccomp", "0") != "0":
        reasons.append("a seccomp filter is active: allow bpf and perf_event_open in the container's profile")
    if lockdown := _lockdown():
        reasons.append(f"the kernel is locked down ({lockdown}): boot without Secure Boot or lockdown=")
    if doing == LOAD and (limit := memlock()) is not None:
        reasons.append(
            f"before Linux 5.11 programs count as locked memory, {limit} bytes here: ulimit -l unlimited"
        )
    if doing == LOAD and "CAP_NET_ADMIN" not in held and "CAP_SYS_ADMIN" not in held:
        reasons.append("programs for the network need CAP_NET_ADMIN too")
    return reasons


def _sysctl(doing: str) -> list[str]:
    if doing not in _SYSCTLS:
        return []
    name, allows = _SYSCTLS[doing]
    try:
        value = int(_text(f"/proc/sys/kernel/{name}"))
    except ValueError:
        return []
    return [f"kernel.{name} is {value}, which keeps it from everybody else"] if value > allows else []


def _lockdown() -> str:
    """The lockdown mode in force, "" for none: "none [integrity] confidentiality"."""
    modes = _text("/sys/kernel/security/lockdown")
    mode = modes.partition("[")[2].partition("]")[0]
    return "" if mode == "none" else mode


def memlock() -> int | None:
    """The limit on locked memory, if there is one and the kernel counts programs with it."""
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    # The probe that libbpf uses loads a program, which is what failed. Accounting by cgroup is in v5.11.
    release = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2] if part.isdigit())
    return None if limit == resource.RLIM_INFINITY or release >= (5, 11) else limit


def _status() -> dict[str, str]:
    # The thread's own: raised() gives privileges to one thread.
    lines = _text("/proc/thread-self/status").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
