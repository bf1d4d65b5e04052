# SPDX-License-Identifier: Apache-2.0
"""Real objects for the tests, made by clang from a few lines of C."""

from __future__ import annotations

import ctypes
import os
import struct
import subprocess
from pathlib import Path
from typing import Any

from bpfline import elf
from bpfline.settings import ObjectSettings
from bpfline.spec import Spec, spec
from bpfline_loader.bundle import Bundle, Program
from bpfline_loader.load import load
from bpfline_loader.syscalls import syscall

_PROG_TEST_RUN = 10  # enum bpf_cmd, linux/bpf.h

# As bpfline's own command, without what only a project has.
FLAGS = ("-g", "-O2", "-Wall", "-mcpu=v3", "-fdebug-compilation-dir=.")

PRINTK = "static long (*const bpf_trace_printk)(const char *fmt, unsigned int size, ...) = (void *)6;\n"
NOINLINE = "#define NOINLINE static __attribute__((noinline))\n"
LICENSE = 'char LICENSE[] __attribute__((section("license"), used)) = "GPL";\n'

# A bit of everything that an object can have and still be accepted.
RICH = f"""{PRINTK}{NOINLINE}{LICENSE}
NOINLINE int twice(int a) {{ asm volatile("" : "+r"(a)); return a * 2; }}
__attribute__((noinline)) int shared(int a) {{ asm volatile("" : "+r"(a)); return twice(a) + 1; }}
int prog(void *ctx)
{{
	char text[] = "Hi!";

	bpf_trace_printk(text, sizeof(text));
	return twice(7) + shared((long)ctx & 7);
}}
"""


def compiled(
    text: str, into: Path, *flags: str, target: str = "bpf", name: str = "prog", optimised: bool = True
) -> Path:
    """into/name.o of the source into/name.c, which holds text."""
    source, made = into / f"{name}.c", into / f"{name}.o"
    source.write_text(text)
    ours = FLAGS if optimised else tuple(flag for flag in FLAGS if flag != "-O2")
    subprocess.run(
        ["clang", "-target", target, *ours, *flags, "-c", source.name, "-o", made.name], cwd=into, check=True
    )
    return made


def spec_of(object_file: Path, **settings: Any) -> Spec:
    """The spec of an object whose source is called bpf_src/x.c."""
    given = ObjectSettings(**settings)
    found = elf.read(object_file)
    return spec(found, name="x", source="bpf_src/x.c", settings=given, clang=None, mcpu=None, programs={})


def audited(object_file: Path, **settings: Any) -> Bundle:
    """The bundle of such an object, whose programs are all well; without SEC() it is a socket filter."""
    found = spec_of(object_file, **{"type": "socket_filter", **settings})
    for failure in found.failures:
        raise failure.problem
    return found.bundle


def instructions(insns: bytes, order: str = "<") -> list[tuple[int, int, int, int, int]]:
    """(code, dst_reg, src_reg, off, imm) of each struct bpf_insn."""
    found = []
    for code, registers, off, imm in struct.iter_unpack(order + "BBhi", insns):
        first, second = registers & 0xF, registers >> 4
        found.append((code, *((first, second) if order == "<" else (second, first)), off, imm))
    return found


def returned(insns: bytes) -> int:
    """What the kernel's run of a program gives; a socket filter is the simplest that it runs when asked."""
    attempt = load(Program("linked", ".text", "socket_filter", None, insns), "GPL")
    assert attempt.fd is not None, attempt.message
    packet = ctypes.create_string_buffer(64)
    # struct of BPF_PROG_TEST_RUN in union bpf_attr: prog_fd, retval, data_size_in, data_size_out, data_in
    attr = ctypes.create_string_buffer(
        struct.pack("=IIIIQQII", attempt.fd, 0, len(packet), 0, ctypes.addressof(packet), 0, 1, 0)
    )
    try:
        syscall("bpf", _PROG_TEST_RUN, attr, len(attr))
    finally:
        os.close(attempt.fd)
    return int(struct.unpack_from("=I", attr.raw, 4)[0])
