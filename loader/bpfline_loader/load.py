# SPDX-License-Identifier: Apache-2.0
"""Loading one program: from its instructions to an fd or to the verifier's refusal."""

from __future__ import annotations

import errno
import os
import struct
import sys
from dataclasses import dataclass

from . import bpf, hints, log, privileges, trailer
from .bundle import Bundle, Program
from .errors import KernelError
from .syscalls import ENOTSUPP, errno_name

ACCEPTED = "accepted"
REFUSED = "refused"
UNSUPPORTED = "unsupported"

# The machine's trouble or the caller's, whatever the verifier may have written before.
_NEVER_A_VERDICT = frozenset(
    (errno.ENOSYS, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.EINTR)
)
# A verdict only if the verifier spoke: before it, these come from privileges and security modules.
_NEEDS_WORDS = frozenset((errno.EPERM, errno.EACCES, errno.EFAULT))

_MOV_R0_0_EXIT = struct.pack("=BBhi", 0xB7, 0, 0, 0) + struct.pack("=BBhi", 0x95, 0, 0, 0)
# bpf_prog_load_check_attach() answers EINVAL, without a word, for these when expected_attach_type is 0:
# nothing can be told of the type by trying.
_NEED_ATTACH_TYPE = frozenset(("cgroup_sock_addr", "cgroup_sockopt", "sk_lookup", "netfilter"))


@dataclass(frozen=True)
class Attempt:
    """What became of one program.

    verdict: ACCEPTED, REFUSED, or UNSUPPORTED where the kernel lacks what it needs. fd, info: of the
    loaded program, None otherwise; the caller closes fd. errno: its name, None when accepted. log:
    the verifier's own bytes without the final NUL, asked for at log_level (b"" where none was kept).
    message: one line, why it was not accepted. note: what of the log could not be kept, or "".
    """

    verdict: str
    fd: int | None
    info: bpf.ProgInfo | None
    errno: str | None
    log: bytes
    log_level: int
    stats: trailer.Stats
    message: str
    note: str


def check_byteorder(bundle: Bundle) -> None:
    """KernelError for a bundle of the other byte order: the kernel would take its instructions for others."""
    if bundle.byteorder != sys.byteorder:
        raise KernelError(
            f"built for {bundle.byteorder}-endian machines, this one is {sys.byteorder}-endian",
            errno="EINVAL",
            where=bundle.object,
            help=f"compile with -target {'bpfel' if sys.byteorder == 'little' else 'bpfeb'}",
        )


def load(program: Program, license: str, *, mode: str = "auto") -> Attempt:  # noqa: A002
    """Have the kernel verify and load program. mode: which log is kept, one of log.MODES.

    A refusal is an Attempt. KernelError where the program could not be tried at all: no privilege, no
    bpf(2), no memory, a type that this loader does not know.
    """
    number = bpf.PROG_TYPES.get(program.type)
    if number is None:
        raise KernelError(
            f"program type {program.type} is not known",
            errno="EINVAL",
            where=program.name,
            help="known are " + ", ".join(bpf.PROG_TYPES),
        )

    def once(level: int, memory: log.Memory) -> bpf.Answer:
        return bpf.prog_load(
            number, program.insns, license, name=bpf.object_name(program.name), log_level=level, log=memory
        )

    with privileges.raised():
        record = log.record(once, mode)
        if record.answer.fd is None:
            return _refusal(program, number, record)
        return _loaded(program, record, record.answer.fd)


def _loaded(program: Program, record: log.Record, fd: int) -> Attempt:
    try:
        info = bpf.prog_info(fd)
    except OSError as error:
        os.close(fd)
        raise _untried(program, error.errno or 0, "BPF_OBJ_GET_INFO_BY_FD") from None
    stats = trailer.parse(record.words)
    return Attempt(ACCEPTED, fd, info, None, record.log, record.level, stats, "", record.note)


def _refusal(program: Program, number: int, record: log.Record) -> Attempt:
    failed = record.answer.errno
    silent = not record.words and record.level != 0  # a log that could not be kept may have had words
    if failed in _NEVER_A_VERDICT or (failed in _NEEDS_WORDS and silent):
        raise _untried(program, failed, hints.LOAD)
    name = errno_name(failed)
    verdict = UNSUPPORTED if failed == ENOTSUPP else REFUSED
    message = trailer.last_words(record.words) or record.note or f"{name}: {hints.explain(name, hints.LOAD)}"
    if failed == errno.EINVAL and silent and _lacks_type(program.type, number):
        verdict, message = UNSUPPORTED, f"this kernel has no programs of type {program.type}"
    stats = trailer.parse(record.words)
    return Attempt(verdict, None, None, name, record.log, record.level, stats, message, record.note)


def _untried(program: Program, failed: int, doing: str) -> KernelError:
    name = errno_name(failed)
    return KernelError(f"{doing}: {name}", errno=name, where=program.name, help=hints.explain(name, doing))


def _lacks_type(name: str, number: int) -> bool:
    """Whether the kernel answers EINVAL without a word to the smallest program of this type, too.

    It says nothing where it has no such type (find_prog_type); of every type that it has, the verifier
    accepts the program or says what else it wants.
    """
    if name in _NEED_ATTACH_TYPE:
        return False

    def smallest(level: int, memory: log.Memory) -> bpf.Answer:
        return bpf.prog_load(number, _MOV_R0_0_EXIT, "GPL", log_level=level, log=memory)

    trial = log.capture(smallest, log.STATS)
    if trial.answer.fd is not None:
        os.close(trial.answer.fd)
    return trial.answer.errno == errno.EINVAL and not trial.log
