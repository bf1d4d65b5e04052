# SPDX-License-Identifier: Apache-2.0
"""Attachment to a cgroup of version 2: through a link (Linux 5.7) or with BPF_PROG_ATTACH."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .. import bpf, outliving
from ..bpf_link import BPF_F_ALLOW_MULTI, link_create, prog_attach, prog_detach
from ..bundle import Program
from ..errors import Problem
from ..privileges import raised
from ..syscalls import errno_name
from ..tracefs import Tracefs, mountinfo
from .attachment import Attachment, outliving_us, refused

TARGET = None
TYPES = (
    "cgroup_skb", "cgroup_sock", "cgroup_sock_addr", "cgroup_sockopt", "cgroup_sysctl", "cgroup_device",
    "sock_ops",
)  # fmt: skip
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True)
class Cgroup:
    """An open folder of the cgroup2 file system, and its path."""

    fd: int
    path: str


def attach(program: Program, fd: int, tracefs: Tracefs) -> Attachment:
    """Run the program for what processes of its cgroup do: that of the path ("/system.slice", or with the
    mount's own path before it), or every process's."""
    # As libbpf: SEC("cgroup/skb") says no attach type, which is 0.
    attach_type = bpf.ATTACH_TYPES[program.expected_attach_type or "cgroup_inet_ingress"]
    with raised():
        cgroup = opened(program.attach or "/")
        target = f"cgroup {cgroup.path}"
        try:
            try:
                return with_link(cgroup, fd, attach_type)
            except OSError as error:
                if error.errno != errno.EINVAL:  # what a kernel says that has no such links
                    raise
            return with_prog_attach(cgroup, fd, attach_type)
        except OSError as error:
            raise refused(target, error, "cgroup", _meaning(error)) from None
        finally:
            os.close(cgroup.fd)


def with_link(cgroup: Cgroup, fd: int, attach_type: int) -> Attachment:
    """OSError where the kernel does not."""
    return Attachment(f"cgroup {cgroup.path}", (link_create(fd, cgroup.fd, attach_type),))


def with_prog_attach(cgroup: Cgroup, fd: int, attach_type: int) -> Attachment:
    """OSError where the kernel does not. It outlives us."""
    words = f"cgroup {cgroup.path}"
    record = outliving.record(
        "cgroup", words, path=cgroup.path, type=attach_type, program=bpf.prog_info(fd).id
    )
    return outliving_us(record, lambda: prog_attach(fd, cgroup.fd, attach_type, BPF_F_ALLOW_MULTI), remove)


def remove(details: Mapping[str, Any]) -> bool:
    """Whether the program of that record is gone: it was, or it is now."""
    try:
        folder = os.open(details["path"], _FOLDER)
    except FileNotFoundError:
        return True
    try:
        fd = bpf.prog_fd(details["program"])
        try:
            prog_detach(fd, folder, details["type"])
        finally:
            os.close(fd)
    except FileNotFoundError:
        pass
    finally:
        os.close(folder)
    return True


def opened(path: str) -> Cgroup:
    """The cgroup of path, as /proc/self/cgroup or the file system says it. Problem where there is none."""
    mounts = [mount for mount in mountinfo() if mount.kind == "cgroup2"]
    if not mounts:
        raise Problem(
            "the cgroup file system of version 2 is not mounted",
            where=path,
            help="mount -t cgroup2 cgroup2 /sys/fs/cgroup",
        )
    mount = mounts[-1]  # the first that was mounted
    inside = path if (path + "/").startswith(mount.path + "/") else f"{mount.path}/{path.strip('/')}"
    inside = inside.rstrip("/")
    try:
        fd = os.open(inside, _FOLDER)
    except OSError as error:
        raise Problem(
            f"is no cgroup: {errno_name(error.errno or 0)}",
            where=inside,
            help=f"name a folder below {mount.path}, or nothing for every process",
        ) from None
    if os.fstat(fd).st_dev != mount.device:
        os.close(fd)
        raise Problem("is no cgroup of version 2", where=inside, help=f"name a folder below {mount.path}")
    return Cgroup(fd, inside)


def _meaning(error: OSError) -> str:
    if error.errno == errno.EPERM:
        return (
            "a program that allows no other (no BPF_F_ALLOW_MULTI) is attached there or above: bpftool cgroup"
            " tree shows it; or this process lacks CAP_NET_ADMIN"
        )
    return ""
