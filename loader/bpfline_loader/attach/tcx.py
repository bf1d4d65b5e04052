# SPDX-License-Identifier: Apache-2.0
"""Attachment of traffic control programs: to a network interface, through a link (tcx, Linux 6.6) or as a
filter of a clsact qdisc."""

from __future__ import annotations

import errno
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .. import bpf, outliving, rtnetlink
from ..bpf_link import link_create
from ..bundle import Program
from ..errors import Problem
from ..outliving import Record
from ..privileges import raised
from ..tracefs import Tracefs
from . import interface
from .attachment import Attachment, refused

TARGET = "eth0"

# linux/pkt_sched.h: TC_H_CLSACT, and of its minor numbers TC_H_MIN_INGRESS and TC_H_MIN_EGRESS
_CLSACT, _CLSACT_HANDLE = 0xFFFFFFF1, 0xFFFF0000
PARENTS = {"ingress": 0xFFFFFFF2, "egress": 0xFFFFFFF3}
# linux/rtnetlink.h, linux/pkt_cls.h
_TCA_KIND, _TCA_OPTIONS = 1, 2
_TCA_BPF_FD, _TCA_BPF_NAME, _TCA_BPF_FLAGS, _TCA_BPF_ID = 6, 7, 8, 11
_TCA_BPF_FLAG_ACT_DIRECT = 1
_TCM = struct.Struct("=BxxxiIII")  # struct tcmsg: family, ifindex, handle, parent, info
_ETH_P_ALL = struct.unpack("=H", struct.pack("!H", 3))[0]  # linux/if_ether.h, in the order of the wire


@dataclass(frozen=True)
class Filter:
    """A filter as the kernel says it: info is its priority and protocol, program the id of its program."""

    parent: int
    handle: int
    info: int
    program: int


def attach(program: Program, fd: int, tracefs: Tracefs) -> Attachment:
    """Run the program on what its interface receives or sends: "eth0" for what SEC() says, or ingress where
    it says nothing (SEC("tc")); such a program can have "eth0/egress", too."""
    assert program.attach is not None
    name, _, direction = program.attach.partition("/")
    own = (program.expected_attach_type or "")[len("tcx_") :]
    if own and direction in PARENTS and direction != own:
        raise Problem(
            f'is {direction}, and SEC("{program.section}") is for {own}',
            where=program.attach,
            help=f'attach = "{name}", or SEC("tc"), which is for both',
        )
    direction = direction or own or "ingress"
    if direction not in PARENTS:
        raise Problem(
            "is no place for a tc program", where=program.attach, help="eth0, eth0/ingress or eth0/egress"
        )
    index = interface.index(name)
    target = f"tc {name} {direction}"
    with raised():
        try:
            try:
                return with_link(target, index, fd, direction)
            except OSError as error:
                if error.errno != errno.EINVAL:  # what a kernel says that has no such links
                    raise
            return with_filter(target, index, fd, direction)
        except OSError as error:
            raise refused(target, error, "tc") from None


def with_link(target: str, index: int, fd: int, direction: str) -> Attachment:
    """OSError where the kernel does not."""
    link = link_create(fd, index, bpf.ATTACH_TYPES[f"tcx_{direction}"])
    return Attachment(target, (link,))


def with_filter(target: str, index: int, fd: int, direction: str) -> Attachment:
    """OSError where the kernel does not. It outlives us, and so does the clsact qdisc, made where there is
    none."""
    qdisc = _with_clsact(target, index, direction)
    info = bpf.prog_info(fd)
    record = outliving.record(
        "tc filter",
        target,
        network=outliving.network(),
        index=index,
        parent=PARENTS[direction],
        program=info.id,
    )

    def undo() -> None:
        outliving.undo(record, remove_filter)
        if qdisc is not None:
            outliving.undo(qdisc, remove_clsact)

    options = rtnetlink.attribute(_TCA_BPF_FD, struct.pack("=I", fd))
    options += rtnetlink.attribute(_TCA_BPF_NAME, info.name.encode() + b"\0")
    options += rtnetlink.attribute(_TCA_BPF_FLAGS, struct.pack("=I", _TCA_BPF_FLAG_ACT_DIRECT))
    body = _TCM.pack(0, index, 0, PARENTS[direction], _ETH_P_ALL) + _kind("bpf")
    try:
        rtnetlink.request(
            rtnetlink.NEWTFILTER,
            body + rtnetlink.nested(_TCA_OPTIONS, options),
            rtnetlink.CREATE | rtnetlink.EXCL,
        )
    except OSError:
        undo()
        raise
    return Attachment(target, undo=undo)


def _with_clsact(target: str, index: int, direction: str) -> Record | None:
    """Have a clsact qdisc on the interface: the record of the one that was made, None for one that was
    there."""
    kind = _ingress_qdisc(index)
    if kind == "ingress" and direction == "egress":  # it has one list of filters, which run on ingress
        raise Problem(
            "an ingress qdisc stands where clsact would",
            where=target,
            help="remove it: tc qdisc del dev NAME ingress",
        )
    if kind is not None:
        return None
    record = outliving.record(
        "clsact", f"the clsact qdisc of {target}", network=outliving.network(), index=index
    )
    body = _TCM.pack(0, index, _CLSACT_HANDLE, _CLSACT, 0) + _kind("clsact")
    try:
        rtnetlink.request(rtnetlink.NEWQDISC, body, rtnetlink.CREATE | rtnetlink.EXCL)
    except OSError as error:
        record.forget()
        if error.errno != errno.EEXIST:  # somebody else was faster
            raise
        return None
    return record


def remove_filter(details: Mapping[str, Any]) -> bool:
    """Whether the filter of that record is gone: it was, or it is now."""
    if details["network"] != outliving.network():
        return False
    index = details["index"]
    for each in filters(index, details["parent"]):
        if each.program == details["program"]:
            body = _TCM.pack(0, index, each.handle, each.parent, each.info) + _kind("bpf")
            rtnetlink.request(rtnetlink.DELTFILTER, body)
    return True


def remove_clsact(details: Mapping[str, Any]) -> bool:
    """Whether the qdisc of that record is gone: not as long as somebody has a filter there."""
    if details["network"] != outliving.network():
        return False
    index = details["index"]
    if _ingress_qdisc(index) != "clsact":
        return True
    if any(filters(index, parent) for parent in PARENTS.values()):
        return False
    rtnetlink.request(rtnetlink.DELQDISC, _TCM.pack(0, index, _CLSACT_HANDLE, _CLSACT, 0))
    return True


def filters(index: int, parent: int) -> list[Filter]:
    """The filters there, of every kind (program 0: of another than bpf); none without an interface."""
    try:
        answers = rtnetlink.request(rtnetlink.GETTFILTER, _TCM.pack(0, index, 0, parent, 0), rtnetlink.DUMP)
    except OSError as error:
        if error.errno in (errno.ENODEV, errno.EINVAL):  # no interface; no qdisc (before 6.0)
            return []
        raise
    found = []
    for answer in answers:
        _, _, handle, its_parent, info = _TCM.unpack_from(answer)
        options = rtnetlink.attributes(rtnetlink.attributes(answer[_TCM.size :]).get(_TCA_OPTIONS, b""))
        if handle:  # each priority is said once more, without a filter
            program = struct.unpack("=I", options.get(_TCA_BPF_ID, bytes(4)))[0]
            found.append(Filter(its_parent, handle, info, program))
    return found


def _ingress_qdisc(index: int) -> str | None:
    """Which qdisc stands where "clsact" and "ingress" both do; None where neither does."""
    for answer in rtnetlink.request(rtnetlink.GETQDISC, _TCM.pack(0, 0, 0, 0, 0), rtnetlink.DUMP):
        _, its_index, _, parent, _ = _TCM.unpack_from(answer)
        if (its_index, parent) == (index, _CLSACT):
            return rtnetlink.attributes(answer[_TCM.size :])[_TCA_KIND].rstrip(b"\0").decode()
    return None


def _kind(name: str) -> bytes:
    return rtnetlink.attribute(_TCA_KIND, name.encode() + b"\0")
