# SPDX-License-Identifier: Apache-2.0
"""The audit: what cannot work is said here, at the source line, before the kernel sees it.

It turns an object into its Parts: the programs, linked, and the license. It knows no kernel.
"""

from __future__ import annotations

from dataclasses import dataclass

from bpfline_loader.bundle import INSN_SIZE

from . import lines
from .elf import R_BPF_64_32, SHF_ALLOC, ObjectFile, Section, Symbol
from .errors import AuditError, ObjectError
from .link import BPF_CALLX, BPF_LD_IMM_DW, Insn, Linker
from .settings import ObjectSettings

LICENSE = "license"


@dataclass(frozen=True)
class Part:
    """A linked program. alone: its instructions are the bytes of its section, so that the dumped
    section is all that a loader needs."""

    name: str
    section: str
    insns: bytes
    alone: bool


@dataclass(frozen=True)
class Parts:
    """What an object holds. warnings: one line each, with where."""

    license: str
    byteorder: str
    programs: tuple[Part, ...]
    warnings: tuple[str, ...]


def audit(object_file: ObjectFile, settings: ObjectSettings, source: str) -> Parts:
    """The parts of object_file. AuditError for what cannot work; source is named where no line is."""
    found = lines.read(object_file)
    text = _program_section(object_file, source)
    if text.size % INSN_SIZE:
        raise ObjectError(
            f"section {text.name} is {text.size} bytes long, not a multiple of {INSN_SIZE}:"
            " not whole instructions",
            where=object_file.path,
            help="compile it again",
        )
    linker = Linker(object_file, text, lambda offset: _where(found, text, offset, source))
    _check_functions(object_file, text, linker.functions)
    _check_instructions(object_file, text, linker)
    for offset in lines.core_relos(object_file).get(text.name, ()):
        raise AuditError(
            "wants CO-RE relocation, which is not done yet: on another kernel its offset would be wrong",
            where=linker.where(offset),
            help="leave away what asks for it, such as preserve_access_index",
        )
    entry = _entry(linker, settings, source)
    insns = linker.program(entry)
    license_, warnings = _license(object_file, settings, source)
    part = Part(entry.name, text.name, insns, alone=insns == text.data)
    return Parts(license_, object_file.byteorder, (part,), warnings + _not_loaded(object_file, source))


def _program_section(object_file: ObjectFile, source: str) -> Section:
    """.text; programs with a SEC() of their own are for a later version."""
    code = [section for section in object_file.sections if section.executable and section.data]
    own = [section.name for section in code if section.name != ".text"]
    if own:
        raise AuditError(
            f"has code in section {own[0]}: programs with SEC() are not loaded yet",
            where=source,
            help="leave SEC() away and name type and attach in [tool.bpfline.object]",
        )
    if not code:
        raise AuditError("holds no program", where=source, help="define a function that is not static")
    return code[0]


def _check_functions(object_file: ObjectFile, text: Section, functions: list[Symbol]) -> None:
    end = 0
    for function in functions:
        if (
            function.value < end
            or function.value % INSN_SIZE
            or function.size % INSN_SIZE
            or not function.size
        ):
            break
        end = function.value + function.size
    else:
        if functions and end <= text.size:
            return
    raise ObjectError(
        "is damaged (its functions do not fit its code)", where=object_file.path, help="compile it again"
    )


def _check_instructions(object_file: ObjectFile, text: Section, linker: Linker) -> None:
    relocated = {
        entry.offset: object_file.symbols[entry.symbol]
        for entry in object_file.relocations.get(text.index, ())
        if entry.type != R_BPF_64_32
    }
    data = {offset: symbol.name or _section_name(object_file, symbol) for offset, symbol in relocated.items()}
    offset = 0
    while offset < text.size:
        insn = Insn.at(text.data, offset, linker.order)
        if insn.code == BPF_CALLX:
            # At -O0 clang keeps a helper's number in memory and calls what it reads back; the
            # kernel's word for it is "unknown opcode 8d". The .data relocation is of the same kind.
            raise AuditError(
                "calls through a pointer (callx), which the kernel does not run",
                where=linker.where(offset),
                help="compile with -O2, and make the pointer to a helper static and const",
            )
        offset += 2 * INSN_SIZE if insn.code == BPF_LD_IMM_DW else INSN_SIZE
    for offset, name in sorted(data.items()):
        raise AuditError(
            f"uses {_plain(name)}, but .text alone is loaded yet, not the data beside it",
            where=linker.where(offset),
            help=_help_for_data(name),
        )


def _plain(name: str) -> str:
    if name.startswith(".rodata.str"):
        return f"a string in {name}"
    return f"constants in {name}" if name.startswith(".rodata") else f"{name} in memory"


def _help_for_data(name: str) -> str:
    if name.startswith(".rodata"):
        return 'keep it on the stack, which has 512 bytes: char fmt[] = "..."; in the function, not static'
    return "keep it in a local variable"


def _section_name(object_file: ObjectFile, symbol: Symbol) -> str:
    return "" if symbol.section is None else object_file.sections[symbol.section].name


def _entry(linker: Linker, settings: ObjectSettings, source: str) -> Symbol:
    """Where the program starts: not always at 0, for clang keeps the order of the source.

    It is the function that settings name, else the only one that nobody calls.
    """
    by_name = {function.name: function for function in linker.functions}
    if settings.entry is not None:
        if settings.entry not in by_name:
            raise AuditError(
                f"has no function {settings.entry}, which its setting 'entry' names",
                where=source,
                help="it has " + ", ".join(by_name),
            )
        return by_name[settings.entry]
    called = {callee.value for function in linker.functions for _, callee in linker.calls(function)}
    roots = [function for function in linker.functions if function.value not in called]
    if len(roots) == 1:
        return roots[0]
    kind = "several functions that nobody calls" if roots else "only functions that call each other"
    raise AuditError(
        f"has {kind}: " + ", ".join(function.name for function in roots or linker.functions),
        where=source,
        help='name the one to start at: entry = "..." in [tool.bpfline.object]',
    )


def _license(object_file: ObjectFile, settings: ObjectSettings, source: str) -> tuple[str, tuple[str, ...]]:
    """(license, warnings): the object's own, else that of the settings, else none."""
    section = object_file.by_name.get(LICENSE)
    if section is not None:
        return section.data.split(b"\0", 1)[0].decode(errors="replace"), ()
    if settings.license is not None:
        return settings.license, ()
    return "", (
        f"{source}: warning: has no license: the kernel will refuse its GPL-only helpers\n"
        f'  help: char LICENSE[] SEC("license") = "GPL"; or license = "GPL" in [tool.bpfline.object]',
    )


def _not_loaded(object_file: ObjectFile, source: str) -> tuple[str, ...]:
    """A warning for each section with contents that no part takes along."""
    return tuple(
        f"{source}: warning: section {section.name} is not loaded yet, and nothing in .text refers to it"
        for section in object_file.sections
        if section.flags & SHF_ALLOC
        and section.size
        and not section.executable
        and section.name not in (LICENSE, "version")
        # What the optimiser left of strings that it put into instructions.
        and not section.name.startswith(".rodata.str")
    )


def _where(found: dict[str, list[lines.Line]], text: Section, offset: int, source: str) -> str:
    line = lines.at(found.get(text.name, []), offset)
    return str(line) if line else f"{source} ({text.name}+{offset:#x})"
