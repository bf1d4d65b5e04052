# SPDX-License-Identifier: Apache-2.0
"""An object in the kernel: its BTF loaded once, its maps made once, its programs loaded one by one.

Everything hangs on file descriptors, and nothing is pinned.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import resource
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from . import attach_target, bpf, bpf_btf, btf_load, externs, features, hints, maps, privileges
from .attach_target import Others, Target
from .btf import Btf
from .bundle import Bundle, Program, beside
from .errors import KernelError, Lacking, Problem
from .load import UNSUPPORTED, Attempt, load, unsupported
from .map_set import MapSet
from .placing import Placer, explained
from .syscalls import errno_name


@contextmanager
def opened(
    bundle: Bundle, *, present: Mapping[str, int] | None = None, others: Others | None = None
) -> Iterator[Object]:
    """The bundle's BTF and maps in the kernel, and its programs ready to be loaded; closed at the end.

    present: fds of maps that exist already, by their names (pinned ones); they stay the caller's.
    others: gives the objects whose programs this one's extend; None: those that were built beside it.
    KernelError where a map cannot be made or an extern cannot be found (Lacking: this kernel has no such):
    as libbpf, nothing of the object is then loaded.
    """
    if bundle.byteorder != sys.byteorder:
        raise KernelError(
            f"built for {bundle.byteorder}-endian machines, this one is {sys.byteorder}-endian",
            errno="EINVAL",
            where=bundle.object,
            help=f"compile with -target {'bpfel' if sys.byteorder == 'little' else 'bpfeb'}",
        )
    with ExitStack() as stack:
        with privileges.raised(), _no_os_error(bundle.object):
            opened = Object(bundle, stack, present or {}, others or functools.partial(beside, bundle))
        yield opened


class Object:
    """notes: what the kernel took only in part."""

    def __init__(self, bundle: Bundle, stack: ExitStack, present: Mapping[str, int], others: Others):
        self._bundle = bundle
        self._stack = stack
        self._others = others
        self._modules: dict[int, int] = {}  # the id of a module's BTF -> its fd
        self._targets: dict[str, int] = {}
        self.notes: list[str] = []
        self._btf_problem: KernelError | None = None
        _lift_memlock()
        self._btf_fd = self._load_btf()
        if self._btf_problem is not None and any(each.struct_ops for each in bundle.maps):
            raise self._btf_problem  # the kernel makes no such map without (kernel_needs_btf in libbpf)
        self._externs = externs.resolve_all(bundle.externs, lambda: self._btf)
        self._maps = MapSet(bundle, self._btf_fd)
        self._maps.create(present, lambda: self._btf, self._hold)
        self.notes += self._maps.notes

    @property
    def map_fds(self) -> Mapping[str, int]:
        """The maps, by name; they are the object's to close."""
        return self._maps.fds

    def load(self, program: Program, *, mode: str = "auto") -> Attempt:
        """Have the kernel verify and load one of the bundle's programs; the caller closes its fd.

        mode: which log is kept, one of log.MODES. A kernel that lacks what the program attaches to gives
        UNSUPPORTED; KernelError where the program could not be tried.
        """
        try:
            with privileges.raised(), _no_os_error(program.name):
                insns, details = self._prepared(program)
        except Lacking as error:
            return unsupported(error)
        attempt = load(
            dataclasses.replace(program, insns=insns),
            self._bundle.license,
            mode=mode,
            details=details,
            btf=self._bundle.btf,
        )
        names = {index: name for name, index in self._ksym_order.items()}
        message = explained(attempt.message, attempt.log, program, names, self._bundle.btf)
        return dataclasses.replace(
            attempt, message=message, note="; ".join(filter(None, [attempt.note, *self.notes]))
        )

    def finish(self, programs: Mapping[str, int]) -> None:
        """After the programs were loaded (fds by name): fill PROG_ARRAY slots, and keep .rodata with each
        program, as libbpf. KernelError where a slot cannot be filled."""
        with privileges.raised():
            for wanted in self._bundle.maps:
                if wanted.frozen and wanted.name in self._maps.fds:
                    for fd in programs.values():
                        _bind(fd, self._maps.fds[wanted.name])
                if wanted.slots and wanted.type == "prog_array":
                    maps.fill_slots(wanted, self._maps.fd(wanted.name), programs)

    # What a program needs

    def _prepared(self, program: Program) -> tuple[bytes, bpf.Details]:
        """The instructions with all fds in place, and the rest of what BPF_PROG_LOAD takes."""
        insns = self._placed(program)
        if program.core_relos and not self._btf_fd:
            raise self._btf_problem or KernelError(
                "its CO-RE records are for BTF that the bundle lacks", errno="EINVAL", where=program.name
            )
        expected, target = self._attachment(program)
        return insns, bpf.Details(
            prog_flags=program.flags,
            expected_attach_type=expected,
            prog_btf_fd=self._btf_fd,
            func_info=program.func_info if self._btf_fd else b"",
            line_info=program.line_info if self._btf_fd else b"",
            core_relos=program.core_relos,
            attach_btf_id=target.btf_id,
            attach_fd=target.fd,
            # insn.off 0 is vmlinux: the first place stays empty.
            fd_array=(0, *self._modules.values()) if self._modules else (),
            kern_version=features.kernel_version(),
        )

    def _placed(self, program: Program) -> bytes:
        if not program.fixups:
            return program.insns
        placer = Placer(program.insns)
        for fixup in program.fixups:
            if fixup.kind in ("map", "map_value"):
                placer.map_fd(fixup, self._maps.fd(fixup.target))
                continue
            found = self._externs[fixup.target]
            if fixup.kind == "kfunc":
                module = 0
                if found.btf_id:
                    self._module(found.btf_id)
                    module = 1 + list(self._modules).index(found.btf_id)
                placer.kfunc(fixup, found, module, self._ksym_order[fixup.target])
            elif fixup.kind == "ksym":
                placer.ksym(fixup, found, self._module(found.btf_id))
            else:
                placer.address(fixup, found)
        return bytes(placer.insns)

    def _attachment(self, program: Program) -> tuple[int, Target]:
        """expected_attach_type, and what the program is attached to when it is loaded."""
        if program.type == "struct_ops":
            return self._callback(program)
        expected = bpf.ATTACH_TYPES.get(program.expected_attach_type or "", 0)
        if program.expected_attach_type is not None and program.expected_attach_type not in bpf.ATTACH_TYPES:
            raise KernelError(
                f"attach type {program.expected_attach_type} is not known", errno="EINVAL", where=program.name
            )
        if program.target is not None and program.attach_btf is not None:
            return expected, attach_target.in_program(program, self._target(program))
        if program.type == "ext":
            raise KernelError(
                "nothing says in which program it replaces a function",
                errno="EINVAL",
                where=program.name,
                help='target = "OBJECT/PROGRAM", "id:123" or the path of a pin in '
                f'[tool.bpfline.program."{self._bundle.object}/{program.name}"]',
            )
        if program.attach_btf is None:
            return expected, Target(0)
        found = attach_target.in_kernel(program)
        return expected, Target(found.type_id, self._module(found.btf_id))

    def _callback(self, program: Program) -> tuple[int, Target]:
        if program.name in self._maps.callbacks:
            callback, value = self._maps.callbacks[program.name]
            return callback.index, Target(callback.type_id, self._module(value.btf_id))
        for wanted in self._bundle.maps:
            if wanted.struct_ops is not None and program.name in dict(wanted.struct_ops.functions).values():
                raise self._maps.unsuited[wanted.name]
        raise KernelError(  # as libbpf (libbpf_prepare_prog_load)
            "no struct_ops map names this function",
            errno="EINVAL",
            where=program.name,
            help='put it into a struct in SEC(".struct_ops")',
        )

    def _target(self, program: Program) -> int:
        """The loaded program whose function this one is for; it stays loaded as long as the object."""
        words = program.target or ""
        if words in self._targets:
            return self._targets[words]
        if attach_target.is_loaded(words):
            fd = attach_target.opened(words)
        else:
            home, wanted = attach_target.program(words, self._bundle, self._others)
            owner = self if home is self._bundle else self._stack.enter_context(opened(home))
            attempt = owner.load(wanted, mode="none")
            if attempt.fd is None:
                kind = Lacking if attempt.verdict == UNSUPPORTED else KernelError
                raise kind(
                    f"its target program {words} is {attempt.verdict}: {attempt.message}",
                    errno=attempt.errno or "EINVAL",
                    where=program.name,
                )
            fd = attempt.fd
        self._targets[words] = self._hold(fd)
        return fd

    @functools.cached_property
    def _ksym_order(self) -> dict[str, int]:
        """Each extern's place among them as libbpf orders them: those of .kconfig first, then by name."""
        ksyms = sorted(each.name for each in self._bundle.externs if each.kind != "kconfig")
        return {name: index for index, name in enumerate(ksyms, len(self._bundle.externs) - len(ksyms))}

    @functools.cached_property
    def _btf(self) -> Btf:
        return Btf.parse(self._bundle.btf)

    def _load_btf(self) -> int:
        """The fd of the BTF; 0 where there is none or the kernel refuses it, which libbpf lives with too."""
        if not self._bundle.btf:
            return 0
        try:
            fd, note = btf_load.load(self._bundle.btf, self._bundle.object)
        except KernelError as error:
            self._btf_problem = error.with_traceback(None)  # which would hold on to this object
            self.notes.append(f"without func_info and line_info: {error.what}")
            return 0
        except Problem as error:  # damaged
            self._btf_problem = KernelError(error.what, errno="EINVAL", where=self._bundle.object)
            self.notes.append(f"without func_info and line_info: {error.what}")
            return 0
        if note:
            self.notes.append(note)
        return self._hold(fd)

    def _module(self, btf_id: int) -> int:
        """The fd of a module's BTF, 0 for vmlinux."""
        if btf_id and btf_id not in self._modules:
            self._modules[btf_id] = self._hold(bpf_btf.btf_fd(btf_id))
        return self._modules.get(btf_id, 0)

    def _hold(self, fd: int) -> int:
        self._stack.callback(os.close, fd)
        return fd


@contextmanager
def _no_os_error(where: str) -> Iterator[None]:
    """A module whose BTF goes away, no more file descriptors, no /proc: the machine's trouble."""
    try:
        yield
    except OSError as error:
        name = errno_name(error.errno or 0)
        raise KernelError(f"bpf: {name}", errno=name, where=where, help=hints.explain(name)) from None


def _bind(program: int, map_fd: int) -> None:
    try:
        bpf.prog_bind_map(program, map_fd)
    except OSError:
        pass  # before Linux 5.10; the map lives as long as this process, which is enough


def _lift_memlock() -> None:
    """Before Linux 5.11 programs and maps count as locked memory, of which there is little."""
    if hints.memlock() is not None:
        try:
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        except (ValueError, OSError):
            pass  # what needs it will say so
