# SPDX-License-Identifier: Apache-2.0
"""The bundle: everything that the kernel side needs to know of one object.

On disk it is build/<object>/ with its loader.json (docs/bundle.md); where no project is, the same
dataclasses are handed over in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .errors import BundleError

SCHEMA = 1
DESCRIPTION = "loader.json"
INSN_SIZE = 8  # sizeof(struct bpf_insn), linux/bpf.h
MAX_INSNS = 1_000_000  # BPF_COMPLEXITY_LIMIT_INSNS: what a privileged BPF_PROG_LOAD takes at most


@dataclass(frozen=True)
class Fixup:
    """A place in a program's instructions whose value only the kernel side knows.

    insn: index of the instruction (of the first half of a BPF_LD_IMM64). kind and target:
    "map"       a map's fd into imm (BPF_PSEUDO_MAP_FD); target names the map
    "map_value" the same with BPF_PSEUDO_MAP_VALUE; the offset stands in the second half already
    "kfunc"     a call: BTF id of the function into imm, its module's place in fd_array into off
    "ksym"      a typed variable, or a kfunc whose address is asked for as bpf_ksym_exists() does
                (BPF_PSEUDO_BTF_ID): BTF id into imm, its BTF's fd into the second half
    "address"   an untyped one: its address into both halves
    The last three name an Extern. src_reg is set already in all of them.
    """

    insn: int
    kind: str
    target: str


@dataclass(frozen=True)
class Program:
    """One program as BPF_PROG_LOAD takes it.

    insns: struct bpf_insn records, linked, the entry first. type: BPF_PROG_TYPE_* in lower case
    without its prefix ("tracepoint"). expected_attach_type: BPF_* of enum bpf_attach_type likewise
    ("trace_fentry"), None for 0. attach: what it is attached to, in the words of its type
    ("syscalls/sys_enter_execve"), or None where nothing says.

    attach_btf: the kernel type that it is attached to, found by name when it is loaded
    ("btf_trace_sched_switch"; for "ext" the function of the target program), or None. target: the
    program that has the function, where it is not the kernel: the name of one of this bundle's,
    "OBJECT/PROGRAM" of one that was built beside it, "id:123", or the path of a pin.
    flags: prog_flags. autoload: False for SEC("?..."). drop_attach_type: expected_attach_type may be
    left out where the kernel does not know it (libbpf's SEC_EXP_ATTACH_OPT).

    func_info, line_info, core_relos: records of 8, 16 and 16 bytes (struct bpf_func_info,
    bpf_line_info, bpf_core_relo) with offsets into insns, for the bundle's BTF; b"" without.
    """

    name: str
    section: str
    type: str
    attach: str | None
    insns: bytes
    expected_attach_type: str | None = None
    attach_btf: str | None = None
    flags: int = 0
    autoload: bool = True
    drop_attach_type: bool = False
    fixups: tuple[Fixup, ...] = ()
    func_info: bytes = b""
    line_info: bytes = b""
    core_relos: bytes = b""
    target: str | None = None


@dataclass(frozen=True)
class Slot:
    """One initial value of a map: at index, the map or the program of that name."""

    index: int
    target: str


@dataclass(frozen=True)
class Map:
    """One map as BPF_MAP_CREATE takes it, and what goes into it.

    name: as in the source; the kernel gets its first 15 characters, or kernel_name. type:
    BPF_MAP_TYPE_* in lower case ("hash"). max_entries: as in the source. The kernel side puts in the
    number of possible processors where a perf_event_array has 0, and makes that of a ringbuf or
    user_ringbuf, unless it is 0, the next power of two pages (adjust_ringbuf_sz in libbpf: it depends
    on the machine's page size). key_type_id, value_type_id: in the bundle's BTF, 0 without and for
    the map types that take none. inner: the template of a map in map. pinning: LIBBPF_PIN_BY_NAME was
    asked for. autocreate: False for SEC("?.struct_ops").

    data: the contents of a map that is a section (.rodata, .data, .bss, .kconfig), else None; frozen:
    BPF_MAP_FREEZE before programs are loaded. struct_ops: None, or the initial value of a map of that
    type.
    """

    name: str
    type: str
    key_size: int
    value_size: int
    max_entries: int
    flags: int = 0
    extra: int = 0
    numa_node: int | None = None
    key_type_id: int = 0
    value_type_id: int = 0
    pinning: bool = False
    kernel_name: str | None = None
    section: str | None = None
    data: bytes | None = None
    frozen: bool = False
    inner: Map | None = None
    slots: tuple[Slot, ...] = ()
    struct_ops: StructOps | None = None
    autocreate: bool = True


@dataclass(frozen=True)
class StructOps:
    """The initial value of a struct_ops map: type_name is the struct's name in the kernel, type_id the
    struct in the bundle's BTF; members are laid out again by the kernel's own BTF. data: the variable's
    bytes; functions: member name to program name."""

    type_name: str
    type_id: int
    data: bytes
    functions: tuple[tuple[str, str], ...]
    link: bool  # SEC(".struct_ops.link"): attached through a BPF link


@dataclass(frozen=True)
class Extern:
    """A name that only the running kernel can resolve.

    kind: "kfunc", "ksym" (a typed variable), "address" (an untyped one), "kconfig". name: as in the
    source, a flavour (___) and all. type_id: in the bundle's BTF; of a kfunc its FUNC, of a variable its
    type, 0 of an untyped one. weak: may be missing, and is then 0. offset, size: its place in the
    .kconfig map.
    """

    name: str
    kind: str
    type_id: int
    weak: bool
    offset: int = 0
    size: int = 0


@dataclass(frozen=True)
class Bundle:
    """One object. folder: where its artifacts stand, None in memory. clang, mcpu: None if unknown.

    btf: .BTF as BPF_BTF_LOAD takes it, b"" without. maps: in an order in which each can be created.
    """

    object: str
    source: str | None
    license: str
    byteorder: str
    clang: str | None
    mcpu: str | None
    programs: tuple[Program, ...]
    folder: Path | None = None
    btf: bytes = b""
    maps: tuple[Map, ...] = ()
    externs: tuple[Extern, ...] = ()


def read(folder: Path, name: str = DESCRIPTION) -> Bundle:
    """The bundle in folder, as the file name there describes it. BundleError says what is missing,
    damaged or of another schema."""
    from . import description  # which is made of the definitions above

    return description.read(folder, name)


def beside(bundle: Bundle, name: str) -> Bundle:
    """The bundle of the object name, which was built into the same folder: build/net/x has build/y beside
    it. BundleError where there is none."""
    if name == bundle.object:
        return bundle
    own = Path(bundle.object).parts
    home = () if bundle.folder is None else bundle.folder.absolute().parts
    if home[-len(own) :] != own or ".." in Path(name).parts:
        raise BundleError(f"there is no object {name} beside it", where=bundle.folder or bundle.object)
    return read(Path(*home[: -len(own)], name))


def check_insns(insns: bytes, where: object) -> None:
    """BundleError unless insns is a whole, non-empty number of struct bpf_insn that a kernel takes."""
    if not insns:
        raise BundleError("holds no instructions", where=where)
    if len(insns) % INSN_SIZE:
        raise BundleError(
            f"is {len(insns)} bytes long, not a multiple of {INSN_SIZE}: not whole instructions", where=where
        )
    if len(insns) // INSN_SIZE > MAX_INSNS:
        raise BundleError(
            f"holds {len(insns) // INSN_SIZE} instructions, the kernel takes at most {MAX_INSNS}", where=where
        )
