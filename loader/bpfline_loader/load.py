# SPDX-License-Identifier: Apache-2.0
"""Loading one program: from its instructions to an fd or to the verifier's refusal."""

from __future__ import annotations

import dataclasses
import errno
import functools
import os
import struct
from dataclasses import dataclass

from . import bpf, core_relo, features, hints, log, privileges, trailer
from .bundle import Program
from .errors import KernelError, Lacking
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

_MAX_USED_MAPS = 64  # of one program (MAX_USED_MAPS, linux/bpf_verifier.h)

_NO_DETAILS = bpf.Details()
_TRACING = log.BRANCHES | log.EVERY_PATH  # levels that show instructions


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


def load(
    program: Program,
    license: str,  # noqa: A002 - the field's name
    *,
    mode: str = "auto",
    details: bpf.Details = _NO_DETAILS,
    btf: bytes = b"",
) -> Attempt:
    """Have the kernel verify and load program. mode: which log is kept, one of log.MODES.

    details: what it takes besides the program's type, instructions and name. btf: the bundle's, to say
    in words what a CO-RE record asked for. A refusal is an Attempt. KernelError where the program could not
    be tried at all: no privilege, no bpf(2), no memory, a type that this loader does not know.
    """
    number = bpf.PROG_TYPES.get(program.type)
    if number is None:
        raise KernelError(
            f"program type {program.type} is not known",
            errno="EINVAL",
            where=program.name,
            help="known are " + ", ".join(bpf.PROG_TYPES),
        )

    name = bpf.object_name(program.name)

    def once(level: int, memory: log.Memory) -> bpf.Answer:
        return bpf.prog_load(
            number, program.insns, license, name=name, details=details, log_level=level, log=memory
        )

    with privileges.raised():
        record = log.record(once, mode)
        if program.drop_attach_type and details.expected_attach_type and _before_verifier(record):
            details = dataclasses.replace(details, expected_attach_type=0)
            record = log.record(once, mode)
        if record.answer.fd is not None:
            return _loaded(program, record, record.answer.fd)
        attempt = _refusal(program, number, record)
        if core_relo.poisoned(record.words):
            traced = record.log if record.level & _TRACING else log.capture(once, log.BRANCHES).log
            words = core_relo.explained(traced or b"", program, btf)
            attempt = dataclasses.replace(attempt, message=words or attempt.message)
        return attempt


def unsupported(lacking: Lacking) -> Attempt:
    """What became of a program for which this kernel lacks something that was found out beforehand."""
    message = f"{lacking.what}; {lacking.help}" if lacking.help else lacking.what
    return Attempt(UNSUPPORTED, None, None, lacking.errno, b"", 0, trailer.Stats(), message, "")


def _before_verifier(record: log.Record) -> bool:
    return record.answer.errno == errno.EINVAL and record.level != 0 and not record.words


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
    name = errno_name(failed)
    silent = not record.words and record.level != 0  # a log that could not be kept may have had words
    if failed == errno.EPERM and silent and _forbidden_to_all():
        kind = " ".join(filter(None, [program.type, program.expected_attach_type]))
        message = (
            f"this kernel, or a security module of it, forbids {kind} programs to everybody, also to root"
        )
        return Attempt(
            UNSUPPORTED, None, None, name, b"", record.level, trailer.Stats(), message, record.note
        )
    if failed in _NEVER_A_VERDICT or (failed in _NEEDS_WORDS and silent):
        raise _untried(program, failed, hints.LOAD)
    verdict = UNSUPPORTED if failed == ENOTSUPP else REFUSED
    said = trailer.last_words(record.words) or record.note
    message = said or f"{name}: {hints.explain(name, hints.LOAD)}"
    if failed == errno.E2BIG and silent and program.core_relos and not features.core_relos():
        verdict = UNSUPPORTED
        message = "this kernel does not make CO-RE relocations itself, as Linux 5.17 and later do"
    used = {fixup.target for fixup in program.fixups if fixup.kind.startswith("map")}
    if failed == errno.E2BIG and not said and len(used) > _MAX_USED_MAPS:  # newer kernels say it themselves
        message = f"{name}: the program uses {len(used)} maps, and the kernel takes {_MAX_USED_MAPS}"
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
    trial = _smallest(number)
    return trial.answer.errno == errno.EINVAL and not trial.log


def _forbidden_to_all() -> bool:
    """Whether EPERM is no matter of privilege: nothing is known that this process lacks, and the kernel
    loads its other programs."""
    return not hints.forbidders(hints.LOAD) and _loads_kprobes()


@functools.lru_cache(maxsize=1)
def _loads_kprobes() -> bool:
    return not _smallest(bpf.PROG_TYPES["kprobe"]).answer.errno


def _smallest(number: int) -> log.Capture:
    """What the kernel says of the smallest program of a type."""

    def once(level: int, memory: log.Memory) -> bpf.Answer:
        return bpf.prog_load(number, _MOV_R0_0_EXIT, "GPL", log_level=level, log=memory)

    trial = log.capture(once, log.STATS)
    if trial.answer.fd is not None:
        os.close(trial.answer.fd)
    return trial
