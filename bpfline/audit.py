# SPDX-License-Identifier: Apache-2.0
"""The audit: what cannot work is said here, at the source line, before the kernel sees it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

from bpfline_loader.btf import Btf, Kind
from bpfline_loader.bundle import INSN_SIZE, Map

from . import lines
from .btf_ext import Ext
from .elf import SHF_ALLOC, ObjectFile, Section, Symbol
from .errors import AuditError, ObjectError, printable
from .externs import KCONFIG, KSYMS, is_extern
from .link import Linked
from .relocate import BPF_CALL, Functions
from .settings import ObjectSettings

LICENSE = "license"
_AGAIN = "compile it again"
TEXT = ".text"
BPF_CALLX = 0x8D  # BPF_JMP|BPF_CALL|BPF_X
# Sections with contents that are not maps and are looked into all the same, or for nobody.
_KNOWN = (LICENSE, "version", ".maps", ".struct_ops", ".struct_ops.link", "?.struct_ops", "?.struct_ops.link")


@dataclass(frozen=True)
class Places:
    """Where instructions come from. source is named where no line is."""

    object_file: ObjectFile
    btf: Btf | None
    ext: Ext
    source: str

    def __call__(self, section: Section, offset: int) -> str:
        line = lines.at(self._lines.get(section.name, []), offset)
        return str(line) if line else f"{self.source} ({section.name}+{offset:#x})"

    @cached_property
    def _lines(self) -> dict[str, list[lines.Line]]:
        return lines.read(self.object_file, self.btf, self.ext)  # for the first message, if there is one


def check_functions(object_file: ObjectFile) -> None:
    """ObjectError unless the functions of each section lie in it one behind the other; two names for one
    function are well, one name for two that others see is not."""
    code = [section for section in object_file.sections if section.executable]
    _check_names([each for section in code for each in object_file.functions(section)], object_file)
    for section in object_file.sections:
        functions = object_file.functions(section) if section.executable else []
        if functions and section.size % INSN_SIZE:
            raise ObjectError(
                f"section {section.name} is {section.size} bytes long, not a multiple of {INSN_SIZE}: "
                "not whole instructions",
                where=object_file.path,
                help=_AGAIN,
            )
        places = sorted({(function.value, function.size) for function in functions})
        ends = [0, *(value + size for value, size in places)]
        fits = ends[-1] <= len(section.data) and all(
            end <= value and not value % INSN_SIZE and size and not size % INSN_SIZE
            for end, (value, size) in zip(ends, places, strict=False)
        )
        if not fits:
            raise ObjectError(
                "is damaged (its functions do not fit its code)",
                where=object_file.path,
                help=_AGAIN,
            )


def _check_names(functions: list[Symbol], object_file: ObjectFile) -> None:
    shared = Counter(function.name for function in functions if function.bind != "STB_LOCAL")
    twice = next((name for name, count in shared.items() if count > 1), None)
    if not all(function.name for function in functions):
        raise ObjectError("is damaged (a function has no name)", where=object_file.path, help=_AGAIN)
    if twice is not None:
        raise ObjectError(f"is damaged ({twice}() is there twice)", where=object_file.path, help=_AGAIN)


def check_undefined(object_file: ObjectFile, btf: Btf | None, where: Places) -> None:
    """AuditError where code refers to what neither this object nor, as declared, the kernel has."""
    missing = {symbol.name for symbol in object_file.symbols if is_extern(symbol)} - _declared(btf)
    if not missing:
        return
    for section in object_file.sections:
        for entry in object_file.relocations.get(section.index, ()) if section.executable else ():
            symbol = object_file.symbols[entry.symbol]
            if is_extern(symbol) and symbol.name in missing:
                calls = section.data[entry.offset : entry.offset + 1] == bytes([BPF_CALL])
                raise AuditError(
                    f"calls {symbol.name}(), which this object does not have"
                    if calls
                    else f"uses {symbol.name}, which this object does not have",
                    where=where(section, entry.offset),
                    help="define it in this source, or declare it with __ksym when the kernel has it",
                )


def _declared(btf: Btf | None) -> set[str]:
    """What a source declares with __ksym and __kconfig."""
    if btf is None:
        return set()
    sections = [btf.find(name, Kind.DATASEC) for name in (KSYMS, KCONFIG)]
    return {btf.type(each.type).name for at in sections if at is not None for each in btf.variables(at)}


def check_instructions(linked: Linked, where: Places) -> None:
    """AuditError for an instruction that the kernel does not run."""
    at = linked.insns[::INSN_SIZE].find(BPF_CALLX)
    if at >= 0:
        # At -O0 clang keeps a helper's number in memory and calls what it reads back; the kernel's
        # word for it is "unknown opcode 8d".
        start, function = next(copy for copy in reversed(linked.functions) if copy[0] <= at * INSN_SIZE)
        raise AuditError(
            "calls through a pointer (callx), which the kernel does not run",
            where=where(function.section, function.symbol.value + at * INSN_SIZE - start),
            help="compile with -O2, and make the pointer to a helper static and const",
        )


def unrelocated(linked: Linked, where: Places) -> tuple[str, ...]:
    """A warning for CO-RE relocations that the kernel would not look at.

    check_btf_info (kernel/bpf/verifier.c) leaves before them when there is no function or line
    information, and accesses keep the offsets of the build.
    """
    if not linked.core_relos or linked.func_info or linked.line_info:
        return ()
    _, function = linked.functions[0]
    return (
        f"{printable(where(function.section, function.symbol.value))}: warning: "
        f"{printable(function.symbol.name)}() has CO-RE "
        "relocations, and no function or line information, without which the kernel leaves them out\n"
        "  help: compile it with -g",
    )


def entry(
    functions: Functions, section: Section, settings: ObjectSettings, source: str, table: str | None
) -> Symbol:
    """Where the program of .text starts: not always at 0, for clang keeps the order of the source.

    table: the settings' for the object, None where no project is. It is the function that settings name,
    else the only one that none uses.
    """
    keys = sorted(key for key in functions.symbols if key[0] == section.index)
    names = [functions.symbols[key].name for key in keys]
    if settings.entry is not None:
        if settings.entry not in names:
            raise AuditError(
                f"has no function {settings.entry}, which its setting 'entry' names",
                where=source,
                help="it has " + ", ".join(names),
            )
        return functions.symbols[keys[names.index(settings.entry)]]
    used = {use.callee for key in keys for use in functions[key].uses}
    roots = [functions.symbols[key] for key in keys if key not in used]
    if len(roots) == 1:
        return roots[0]
    raise AuditError(
        "has several functions that nobody calls: " + ", ".join(function.name for function in roots)
        if roots
        else "has only functions that call each other: " + ", ".join(names),
        where=source,
        help=f'name the one to start at: entry = "..." in {table}'
        if table
        else "give each program its SEC()",
    )


def license_of(
    object_file: ObjectFile, settings: ObjectSettings, source: str, table: str | None
) -> tuple[str, tuple[str, ...]]:
    """(license, warnings): the object's own, else that of the settings, else none. table: the settings' for
    the object, None where no project is."""
    section = object_file.by_name.get(LICENSE)
    if section is not None:
        return section.data.split(b"\0", 1)[0].decode(errors="replace"), ()
    if settings.license is not None:
        return settings.license, ()
    return "", (
        f"{printable(source)}: warning: has no license: the kernel will refuse its GPL-only helpers\n"
        '  help: char LICENSE[] SEC("license") = "GPL";'
        + (f' or license = "GPL" in {table}' if table else ""),
    )


def not_loaded(object_file: ObjectFile, maps: Collection[Map], source: str) -> tuple[str, ...]:
    """A warning for each section with contents that no part of the bundle takes along."""
    taken = {each.section for each in maps}
    return tuple(
        printable(f"{source}: warning: section {section.name} is not loaded: nothing is known of it")
        for section in object_file.sections
        if section.flags & SHF_ALLOC
        and section.size
        and section.name not in _KNOWN
        and section.name not in taken
        and not (section.executable and object_file.functions(section))
    )
