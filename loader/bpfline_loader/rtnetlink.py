# SPDX-License-Identifier: Apache-2.0
"""rtnetlink(7): requests about network interfaces, as far as the ways without links need them."""

from __future__ import annotations

import itertools
import os
import socket
import struct
from dataclasses import dataclass

# linux/netlink.h
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NLM_F_REQUEST, _NLM_F_MULTI, _NLM_F_ACK = 0x1, 0x2, 0x4
DUMP, EXCL, CREATE = 0x300, 0x200, 0x400
_NLM_F_CAPPED, _NLM_F_ACK_TLVS = 0x100, 0x200
_SOL_NETLINK, _NETLINK_CAP_ACK, _NETLINK_EXT_ACK = 270, 10, 11
_NLMSGERR_ATTR_MSG = 1
_NLA_F_NESTED, _NLA_TYPE_MASK = 0x8000, 0x3FFF

# linux/rtnetlink.h
GETLINK, SETLINK = 18, 19
NEWQDISC, DELQDISC, GETQDISC = 36, 37, 38
NEWTFILTER, DELTFILTER, GETTFILTER = 44, 45, 46

_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")  # struct nlattr: length, type
_TIMEOUT = 5.0  # the kernel answers within the call; this only keeps a run from hanging
_CHUNK = 1 << 17

_sequences = itertools.count(1)


def request(kind: int, body: bytes, flags: int = 0) -> list[bytes]:
    """The bodies of what the kernel answers; empty for a plain acknowledgement.

    OSError where it refuses; its strerror is the kernel's own words where it has some.
    """
    sequence = next(_sequences)
    message = _HEADER.pack(_HEADER.size + len(body), kind, _NLM_F_REQUEST | _NLM_F_ACK | flags, sequence, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.settimeout(_TIMEOUT)
        for option in (_NETLINK_CAP_ACK, _NETLINK_EXT_ACK):
            try:
                netlink.setsockopt(_SOL_NETLINK, option, 1)
            except OSError:
                pass  # before Linux 4.12: an errno without words
        netlink.sendto(message + body, (0, 0))
        answers: list[bytes] = []
        while True:
            for answer in _messages(netlink.recv(_CHUNK)):
                if answer.sequence != sequence:
                    continue
                if answer.kind in (_NLMSG_ERROR, _NLMSG_DONE):
                    _check(answer)
                    return answers
                answers.append(answer.body)


def attribute(kind: int, data: bytes) -> bytes:
    """One struct nlattr with its data, padded."""
    length = _ATTRIBUTE.size + len(data)
    return _ATTRIBUTE.pack(length, kind) + data + bytes(-length % 4)


def nested(kind: int, data: bytes) -> bytes:
    """One that holds attributes."""
    return attribute(kind | _NLA_F_NESTED, data)


def attributes(data: bytes) -> dict[int, bytes]:
    """What data holds, by type; of several of one type the last."""
    found = {}
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if length < _ATTRIBUTE.size:
            break
        found[kind & _NLA_TYPE_MASK] = data[_ATTRIBUTE.size : length]
        data = data[length + -length % 4 :]
    return found


@dataclass(frozen=True)
class _Message:
    kind: int
    flags: int
    sequence: int
    body: bytes


def _messages(data: bytes) -> list[_Message]:
    found = []
    while len(data) >= _HEADER.size:
        length, kind, flags, sequence, _ = _HEADER.unpack_from(data)
        found.append(_Message(kind, flags, sequence, data[_HEADER.size : length]))
        data = data[length + -length % 4 :]
    return found


def _check(answer: _Message) -> None:
    """Raise what an NLMSG_ERROR or NLMSG_DONE says, unless it says that all is well."""
    number = -struct.unpack_from("=i", answer.body)[0] if len(answer.body) >= 4 else 0
    if not number:
        return
    words = b""
    if answer.kind == _NLMSG_ERROR and answer.flags & _NLM_F_ACK_TLVS:
        # struct nlmsgerr: the errno, and our message, of which only the header comes back when capped
        length = struct.unpack_from("=I", answer.body, 4)[0]
        echoed = _HEADER.size if answer.flags & _NLM_F_CAPPED else length + -length % 4
        words = attributes(answer.body[4 + echoed :]).get(_NLMSGERR_ATTR_MSG, b"").rstrip(b"\0")
    raise OSError(number, words.decode(errors="replace") or os.strerror(number))
