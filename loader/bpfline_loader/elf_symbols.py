# SPDX-License-Identifier: Apache-2.0
"""Functions of a program or library on this machine, for uprobes: by name to their places in the file.

The BPF object itself is never opened here: the target of a uprobe belongs to the machine that it runs on.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .errors import Problem
from .privileges import raised
from .syscalls import errno_name

# elf.h
_PT_LOAD = 1
_SHT_SYMTAB, _SHT_DYNSYM = 2, 11
_SHT_GNU_VERDEF, _SHT_GNU_VERSYM = 0x6FFFFFFD, 0x6FFFFFFF
_SHN_UNDEF = 0
_STT_FUNC, _STT_GNU_IFUNC = 2, 10
_STB_WEAK = 2
_VERSION = 0x7FFF  # VERSYM_VERSION
_NEAR = 3


@dataclass(frozen=True)
class Symbol:
    """A function: its name without "@VERSION", which is version ("" without); address: as linked."""

    name: str
    version: str
    type: int
    bind: int
    address: int


def offset(path: str, wanted: str) -> int:
    """Where in the file at path the function wanted ("malloc", "fopen@GLIBC_2.2.5") begins.

    As libbpf (elf_find_func_offset): first among the dynamic symbols, then among all; of several at
    different places the one that is not weak. Problem where there is none, or more than one.
    """
    try:
        with raised():
            file = Path(path).open("rb")  # noqa: SIM115 - read as who we are
        with file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _find(_Elf(data), path, wanted)
    except OSError as error:
        raise Problem(f"cannot be read: {errno_name(error.errno or 0)}", where=path) from None
    except (struct.error, ValueError, IndexError, OverflowError):
        raise Problem("is damaged, or no ELF file", where=path) from None


def _find(elf: _Elf, path: str, wanted: str) -> int:
    name, _, version = wanted.partition("@")
    seen: list[Symbol] = []
    for table in (_SHT_DYNSYM, _SHT_SYMTAB):
        symbols = list(elf.functions(table))
        seen += symbols
        named = [each for each in symbols if each.name == name and each.type == _STT_FUNC]
        if version:
            named = [each for each in named if each.version == version.lstrip("@")]
        strong = [each for each in named if each.bind != _STB_WEAK] or named[:1]
        places = {elf.file_offset(each.address) for each in strong}
        if len(places) > 1:
            versions = sorted({f"{name}@{each.version}" for each in strong if each.version})
            raise Problem(
                f"has more than one function {wanted}",
                where=path,
                help="name one: " + ", ".join(versions) if versions else "they are static ones of one name",
            )
        if places:
            return places.pop()
    raise Problem(f"has no function {wanted}", where=path, help=_remedy(name, seen))


def _remedy(name: str, seen: list[Symbol]) -> str:
    if any(each.name == name and each.type == _STT_GNU_IFUNC for each in seen):
        return "the name is an indirect function's: the library chooses the real one when it starts"
    near = sorted({each.name for each in seen if name in each.name}, key=len)[:_NEAR]
    if near:
        return "did you mean " + ", ".join(near) + "?"
    return "it may be inlined, or the file stripped" if seen else "the file is stripped: it has no symbols"


@dataclass(frozen=True)
class _Section:
    type: int
    offset: int
    size: int
    link: int


class _Elf:
    """An ELF file of either class and byte order. Damage is one of the errors that
    offset() knows."""

    def __init__(self, data: mmap.mmap):
        if data[:4] != b"\x7fELF" or data[4] not in (1, 2) or data[5] not in (1, 2):
            raise ValueError("not an ELF file")
        self._data = data
        self._wide = data[4] == 2
        self._order = "<" if data[5] == 1 else ">"
        # Elf64_Ehdr, Elf32_Ehdr from e_phoff
        phoff, shoff, _, _, phentsize, phnum, shentsize, shnum, _ = self._unpack(
            "QQIHHHHHH", "IIIHHHHHH", 32, 28
        )
        if not shnum and shoff:  # more sections than a __u16 counts: the first one's sh_size
            shnum = self._section(shoff).size
        self._sections = [self._section(shoff + at * shentsize) for at in range(min(shnum, len(data)))]
        self._segments = [self._segment(phoff + at * phentsize) for at in range(phnum)]

    def functions(self, kind: int) -> Iterator[Symbol]:
        """Those that a symbol table of that type defines."""
        table = next((each for each in self._sections if each.type == kind), None)
        if table is None:
            return
        names = self._contents(self._sections[table.link])
        versions = self._versions() if kind == _SHT_DYNSYM else {}
        # Elf64_Sym is name, info, other, shndx, value, size; Elf32_Sym name, value, size, info, other, shndx
        record = struct.Struct(self._order + ("IBBHQQ" if self._wide else "IIIBBH"))
        symbols = self._contents(table)
        for index, fields in enumerate(
            record.iter_unpack(symbols[: len(symbols) // record.size * record.size])
        ):
            name, info, section, address = (
                (fields[0], fields[1], fields[3], fields[4])
                if self._wide
                else (fields[0], fields[3], fields[5], fields[1])
            )
            if section == _SHN_UNDEF or info & 0xF not in (_STT_FUNC, _STT_GNU_IFUNC):
                continue
            words, _, version = _string(names, name).partition("@")
            yield Symbol(
                words, version.lstrip("@") or versions.get(index, ""), info & 0xF, info >> 4, address
            )

    def file_offset(self, address: int) -> int:
        """The place in the file of what is loaded at address."""
        for kind, at, loaded_at, size in self._segments:
            if kind == _PT_LOAD and loaded_at <= address < loaded_at + size:
                return address - loaded_at + at
        raise ValueError("a function outside of what is loaded")

    def _versions(self) -> dict[int, str]:
        """The version of each dynamic symbol, by its index (.gnu.version and .gnu.version_d)."""
        symbols = next((each for each in self._sections if each.type == _SHT_GNU_VERSYM), None)
        definitions = next((each for each in self._sections if each.type == _SHT_GNU_VERDEF), None)
        if symbols is None or definitions is None:
            return {}
        names = self._contents(self._sections[definitions.link])
        data = self._contents(definitions)
        known, at = {}, 0
        while True:  # Elf64_Verdef; its first Elf64_Verdaux has the version's own name
            _, _, number, _, _, auxiliary, following = struct.unpack_from(self._order + "HHHHIII", data, at)
            known[number] = _string(names, struct.unpack_from(self._order + "I", data, at + auxiliary)[0])
            if not following:
                break
            at += following
        numbers = self._contents(symbols)
        found = struct.unpack_from(f"{self._order}{len(numbers) // 2}H", numbers)
        return {index: known.get(number & _VERSION, "") for index, number in enumerate(found)}

    def _section(self, at: int) -> _Section:
        _, kind, _, _, start, size, link = self._unpack("IIQQQQI", "IIIIIII", at, at)
        return _Section(kind, start, size, link)

    def _segment(self, at: int) -> tuple[int, int, int, int]:
        """p_type, p_offset, p_vaddr, p_filesz"""
        if self._wide:
            kind, _, start, address, _, size = struct.unpack_from(self._order + "IIQQQQ", self._data, at)
        else:
            kind, start, address, _, size = struct.unpack_from(self._order + "IIIII", self._data, at)
        return kind, start, address, size

    def _contents(self, section: _Section) -> bytes:
        return self._data[section.offset : section.offset + section.size]

    def _unpack(self, wide: str, narrow: str, wide_at: int, narrow_at: int) -> tuple[int, ...]:
        layout, at = (wide, wide_at) if self._wide else (narrow, narrow_at)
        return struct.unpack_from(self._order + layout, self._data, at)


def _string(table: bytes, at: int) -> str:
    return table[at : table.index(b"\0", at)].decode(errors="replace")
