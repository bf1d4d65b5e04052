# SPDX-License-Identifier: Apache-2.0
"""What libbpf makes of an object on the running kernel, through bpftool: the reference for the loader."""

from __future__ import annotations

import ctypes
import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bpfline_loader import bpf
from bpfline_loader.syscalls import syscall

# linux/sched.h, linux/mount.h
_CLONE_NEWNS = 0x20000
_MS_REC, _MS_PRIVATE = 0x4000, 1 << 18

_PSEUDO_MAP_FD, _PSEUDO_MAP_VALUE = 1, 2  # linux/bpf.h: src_reg of a BPF_LD_IMM64
_LD_IMM64 = 0x18


@dataclass(frozen=True)
class Loaded:
    """A program in the kernel: its tag and its translated instructions, (code, registers, off, imm) each,
    without what differs from one load to the next: the ids of maps, addresses of the kernel's."""

    tag: str
    xlated: tuple[tuple[int, int, int, int], ...]


@dataclass(frozen=True)
class Failed:
    """Why libbpf loads nothing of an object. errnos: by program, or by map; said: its own words."""

    errnos: dict[str, int]
    said: str


def private_bpffs(folder: Path) -> None:
    """Mount a bpffs at folder and at /sys/fs/bpf, for the calling process and its children alone."""
    syscall("unshare", _CLONE_NEWNS)
    none = ctypes.c_char_p(b"none")
    syscall("mount", none, ctypes.c_char_p(b"/"), None, _MS_REC | _MS_PRIVATE, None)
    for where in (folder, Path("/sys/fs/bpf")):
        syscall("mount", none, ctypes.c_char_p(bytes(where)), ctypes.c_char_p(b"bpf"), 0, None)


def load_all(object_file: Path, bpffs: Path) -> dict[str, Loaded] | Failed:
    """Every program of the object by its name, after bpftool pinned them on bpffs."""
    pins = bpffs / "pins"
    run = subprocess.run(
        ["bpftool", "prog", "loadall", object_file, pins],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if run.returncode:
        found = re.findall(
            r"(?:prog|map) '(\w+)': failed to (?:load|create): .*?(-\d+)\)?$", run.stderr, re.M
        )
        return Failed({name: -int(number) for name, number in found}, run.stderr)
    return {pin.name: shown("pinned", str(pin)) for pin in pins.iterdir()}


def shown(*which: str) -> Loaded:
    """The loaded program that bpftool knows as which ("id", "17")."""
    [tag] = _flat(_json("show", *which))
    return Loaded(tag["tag"], tuple(_insns(_json("dump", "xlated", *which, "opcodes"))))


def extends(object_file: Path, program: str, function: str, target: int) -> tuple[int, str]:
    """(errno, tag) when libbpf itself loads an object whose program replaces a function of the loaded program
    behind target: what bpftool cannot say."""
    lib = ctypes.CDLL("libbpf.so.1")
    for name in ("bpf_object__open_file", "bpf_object__find_program_by_name"):
        getattr(lib, name).restype = ctypes.c_void_p
    opened = ctypes.c_void_p(lib.bpf_object__open_file(bytes(object_file), None))
    found = ctypes.c_void_p(lib.bpf_object__find_program_by_name(opened, program.encode()))
    assert not lib.bpf_program__set_attach_target(found, target, function.encode())
    failed = -lib.bpf_object__load(opened)
    try:
        return failed, "" if failed else bpf.prog_info(lib.bpf_program__fd(found)).tag
    finally:
        lib.bpf_object__close(opened)


def _json(*words: str) -> Any:
    return json.loads(
        subprocess.run(["bpftool", "-j", "prog", *words], capture_output=True, check=True).stdout
    )


def _flat(document: Any) -> list[Any]:
    return document if isinstance(document, list) else [document]


def _insns(dump: Any) -> list[tuple[int, int, int, int]]:
    found = []
    for each in _flat(dump):
        for line in each.get("insns", [each]):
            code = line.get("opcodes")
            if code is None:
                continue
            registers = int(code["src_reg"], 16) << 4 | int(code["dst_reg"], 16)
            off = int.from_bytes(bytes(int(byte, 16) for byte in code["off"]), "little")
            imm = bytes(int(byte, 16) for byte in code["imm"])
            opcode = int(code["code"], 16)
            if opcode == _LD_IMM64 and registers >> 4 in (_PSEUDO_MAP_FD, _PSEUDO_MAP_VALUE):
                imm = bytes(4) + imm[4:]  # the map's id; an offset into its value stays
            elif opcode == _LD_IMM64 and imm[-2:] == b"\xff\xff":
                imm = bytes(12)
            found.append((opcode, registers, off, int.from_bytes(imm, "little")))
    return found
