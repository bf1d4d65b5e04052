# SPDX-License-Identifier: Apache-2.0
"""Attachment of XDP programs: to a network interface, through a link (Linux 5.9) or through rtnetlink."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Mapping
from typing import Any

from .. import bpf, outliving, rtnetlink
from ..bpf_link import link_create
from ..bundle import Program
from ..privileges import raised
from ..tracefs import Tracefs
from . import interface
from .attachment import Attachment, outliving_us, refused

TARGET = "eth0"
_BPF_XDP = bpf.ATTACH_TYPES["xdp"]

# linux/if_link.h
_IFLA_XDP = 43
_IFLA_XDP_FD, _IFLA_XDP_FLAGS, _IFLA_XDP_EXPECTED_FD = 1, 3, 8
_IFLA_XDP_PROG_IDS = (4, 5, 6)  # PROG_ID, DRV_PROG_ID, SKB_PROG_ID
_UPDATE_IF_NOEXIST, _REPLACE = 1 << 0, 1 << 4
MODES = {"native": 1 << 2, "generic": 1 << 1}  # XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE

# Nothing that another mode or way would mend.
_FINAL = frozenset((errno.EBUSY, errno.EEXIST, errno.EPERM, errno.ENODEV))
_MEANINGS = {
    errno.EBUSY: "another XDP program is on this interface: bpftool net shows it",
    errno.EEXIST: "another XDP program is on this interface: bpftool net shows it",
}


def attach(program: Program, fd: int, tracefs: Tracefs) -> Attachment:
    """Run the program on what its interface ("eth0") receives: in the driver, else in the generic way."""
    assert program.attach is not None
    index = interface.index(program.attach)
    failure = OSError()
    with raised():
        for way in (with_link, with_netlink):
            for mode in MODES:
                try:
                    return way(program.attach, index, fd, mode)
                except OSError as error:
                    failure = error
                if failure.errno in _FINAL:
                    break
            if failure.errno != errno.EINVAL:  # what a kernel says that has no such links
                break
    meaning = _MEANINGS.get(failure.errno or 0, "")
    raise refused(f"xdp {program.attach}", failure, "XDP", meaning)


def with_link(name: str, index: int, fd: int, mode: str) -> Attachment:
    """OSError where the kernel does not."""
    link = link_create(fd, index, _BPF_XDP, MODES[mode])
    return Attachment(f"xdp {name} ({mode})", (link,))


def with_netlink(name: str, index: int, fd: int, mode: str) -> Attachment:
    """OSError where the kernel does not, EBUSY or EEXIST where a program is there. It outlives us."""
    words = f"xdp {name} ({mode})"
    record = outliving.record(
        "xdp",
        words,
        network=outliving.network(),
        index=index,
        mode=mode,
        program=bpf.prog_info(fd).id,
    )
    return outliving_us(record, lambda: _set(index, fd, MODES[mode] | _UPDATE_IF_NOEXIST), remove)


def remove(details: Mapping[str, Any]) -> bool:
    """Whether the program of that record is gone: it was, or it is now."""
    if details["network"] != outliving.network():
        return False
    index, flags = details["index"], MODES[details["mode"]]
    if details["program"] not in _programs(index):
        return True
    fd = bpf.prog_fd(details["program"])
    try:
        _set(index, -1, flags | _REPLACE, fd)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        _set(index, -1, flags)  # before Linux 5.7, which cannot be told whose to remove
    finally:
        os.close(fd)
    return True


def _programs(index: int) -> set[int]:
    """The ids of the XDP programs on an interface; none where there is no such interface."""
    try:
        answers = rtnetlink.request(rtnetlink.GETLINK, _link(index))
    except OSError as error:
        if error.errno == errno.ENODEV:
            return set()
        raise
    xdp = rtnetlink.attributes(rtnetlink.attributes(answers[0][len(_link(index)) :]).get(_IFLA_XDP, b""))
    return {struct.unpack("=I", xdp[kind])[0] for kind in _IFLA_XDP_PROG_IDS if kind in xdp}


def _set(index: int, fd: int, flags: int, expected: int | None = None) -> None:
    body = rtnetlink.attribute(_IFLA_XDP_FD, struct.pack("=i", fd))
    body += rtnetlink.attribute(_IFLA_XDP_FLAGS, struct.pack("=I", flags))
    if expected is not None:
        body += rtnetlink.attribute(_IFLA_XDP_EXPECTED_FD, struct.pack("=i", expected))
    rtnetlink.request(rtnetlink.SETLINK, _link(index) + rtnetlink.nested(_IFLA_XDP, body))


def _link(index: int) -> bytes:
    """struct ifinfomsg"""
    return struct.pack("=BxHiII", 0, 0, index, 0, 0)
