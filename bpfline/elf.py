# SPDX-License-Identifier: Apache-2.0
"""A BPF object as it stands in its ELF file, read whole and checked.

There are two readers of one strictness: parse() with pyelftools, and parse_fast() with struct alone,
for `bpfline verify` of many objects. parse_fast() knows what compilers and linkers write; whatever
else it meets it leaves to parse(), whose words are then the answer.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from struct import Struct
from struct import error as StructError
from typing import Any, NamedTuple

from .errors import ObjectError

SHF_ALLOC, SHF_EXECINSTR, SHF_COMPRESSED = 0x2, 0x4, 0x800

# R_BPF_* (Documentation/bpf/llvm_reloc.rst)
R_BPF_64_64, R_BPF_64_32 = 1, 10

SIZE_LIMIT = 256  # MiB; no object comes near it, and what is read stands in memory several times

_SYMBOL_SIZE = 24  # sizeof(Elf64_Sym), elf.h
# The kernel's own names have 511 bytes at most (KSYM_NAME_LEN); more is damage, and what looks for a like
# name would take its time.
_LONGEST_NAME = 4096
# What only linked files have, and what no BPF object uses.
_FOREIGN = frozenset(
    ("SHT_RELA", "SHT_DYNSYM", "SHT_DYNAMIC", "SHT_HASH", "SHT_GNU_HASH", "SHT_RELR", "SHT_SYMTAB_SHNDX")
)
_AGAIN = "compile it again"


@dataclass(frozen=True)
class Section:
    """data is empty for SHT_NOBITS; type is a name such as "SHT_PROGBITS"."""

    index: int
    name: str
    type: str
    flags: int
    size: int
    data: bytes

    @property
    def executable(self) -> bool:
        return bool(self.flags & SHF_EXECINSTR)


# A tuple is made in a third of a frozen dataclass's time, and objects have thousands of these.
class Symbol(NamedTuple):
    """section: index, or None where the symbol is in no section (undefined, absolute, common).

    type, bind, visibility: names such as "STT_FUNC", "STB_WEAK" and "STV_HIDDEN".
    """

    name: str
    value: int
    size: int
    type: str
    bind: str
    section: int | None
    visibility: str = "STV_DEFAULT"


class Relocation(NamedTuple):
    """One entry for a section: at offset, of type R_BPF_*, against symbol (an index)."""

    offset: int
    type: int
    symbol: int


@dataclass(frozen=True)
class ObjectFile:
    """An ELF relocatable file for BPF.

    relocations: by the index of the section they are for; those of sections that are not allocated
    (DWARF, BTF) are left out, for nothing loads them.
    """

    path: Path
    byteorder: str
    sections: tuple[Section, ...]
    symbols: tuple[Symbol, ...]
    relocations: dict[int, tuple[Relocation, ...]]

    @cached_property
    def by_name(self) -> dict[str, Section]:
        """The sections by name; of several with one name, the first."""
        return {section.name: section for section in reversed(self.sections)}

    @cached_property
    def _functions(self) -> dict[int | None, list[Symbol]]:
        found: dict[int | None, list[Symbol]] = {}
        for symbol in self.symbols:
            if symbol.type == "STT_FUNC":
                found.setdefault(symbol.section, []).append(symbol)
        for functions in found.values():
            functions.sort(key=lambda symbol: (symbol.value, symbol.name))
        return found

    def functions(self, section: Section) -> list[Symbol]:
        """The functions of a section by their place in it."""
        return self._functions.get(section.index, [])


def parse(data: bytes, path: Path) -> ObjectFile:
    """data, which stands at path, as an object. ObjectError says what is wrong with a file that is none."""
    from elftools.elf.elffile import ELFFile

    if not data:
        raise ObjectError("is empty", where=path)
    if data[:4] != b"\x7fELF":
        raise ObjectError("is not an ELF file", where=path, help="compile it with clang -target bpf -c")
    try:
        from io import BytesIO

        file = ELFFile(BytesIO(data))
        _check_header(file, path)
        return _object(file, path, len(data))
    except ObjectError:
        raise
    except Exception as error:  # pyelftools answers damage with many kinds, also AssertionError and KeyError
        words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise ObjectError(f"is damaged ({words})", where=path, help=_AGAIN) from None


def _check_header(file: Any, path: Path) -> None:
    if file["e_machine"] != "EM_BPF":
        machine = str(file["e_machine"]).removeprefix("EM_").lower()
        raise ObjectError(
            f"is for {machine}, not for BPF", where=path, help="compile it with clang -target bpf"
        )
    if file.elfclass != 64:
        raise ObjectError(f"is an ELF file of {file.elfclass} bit, BPF objects have 64", where=path)
    if file["e_type"] != "ET_REL":
        raise ObjectError(
            f"is {file['e_type']}, not a relocatable object", where=path, help="link nothing: use clang -c"
        )


def _object(file: Any, path: Path, file_size: int) -> ObjectFile:
    if file["e_shoff"] + file["e_shnum"] * file["e_shentsize"] > file_size:
        raise ObjectError("is cut off: its section headers lie past its end", where=path, help=_AGAIN)
    headers = []
    for index in range(file.num_sections()):
        header = file.get_section(index)
        if header["sh_type"] in _FOREIGN:
            raise ObjectError(
                f"has a section of a kind that BPF objects do not have ({header.name}, {header['sh_type']})",
                where=path,
            )
        headers.append(header)
    contents = [header for header in headers if header["sh_type"] not in ("SHT_NOBITS", "SHT_NULL")]
    if sum(header["sh_size"] for header in contents) > file_size:
        raise ObjectError("is cut off: its sections hold more than it does", where=path, help=_AGAIN)
    sections = tuple(_section(header, index, path, file_size) for index, header in enumerate(headers))
    symbols: tuple[Symbol, ...] = ()
    relocations: dict[int, tuple[Relocation, ...]] = {}
    for header in contents:
        if header["sh_type"] == "SHT_SYMTAB":
            if header["sh_entsize"] != _SYMBOL_SIZE:
                raise ObjectError("is damaged (its symbols are of another size)", where=path, help=_AGAIN)
            symbols = tuple(map(_symbol, header.iter_symbols()))
        elif header["sh_type"] == "SHT_REL":
            target = header["sh_info"]
            if target >= len(sections):
                raise _relocations_damaged(path)
            if sections[target].flags & SHF_ALLOC:
                entries = tuple(
                    Relocation(entry["r_offset"], entry["r_info_type"], entry["r_info_sym"])
                    for entry in header.iter_relocations()
                )
                relocations[target] = relocations.get(target, ()) + entries
    if any(entry.symbol >= len(symbols) for entries in relocations.values() for entry in entries):
        raise _relocations_damaged(path)
    if any(symbol.section is not None and symbol.section >= len(sections) for symbol in symbols):
        raise ObjectError("is damaged (symbols in sections that are not there)", where=path)
    names = (*(section.name for section in sections), *(symbol.name for symbol in symbols))
    if max(map(len, names), default=0) > _LONGEST_NAME:
        raise ObjectError(f"is damaged (a name of more than {_LONGEST_NAME} bytes)", where=path, help=_AGAIN)
    byteorder = "little" if file.little_endian else "big"
    return ObjectFile(path, byteorder, sections, symbols, relocations)


def _relocations_damaged(path: Path) -> ObjectError:
    return ObjectError("is damaged (relocations against what is not there)", where=path, help=_AGAIN)


def _section(header: Any, index: int, path: Path, file_size: int) -> Section:
    name, size = header.name, header["sh_size"]
    nobits = header["sh_type"] in ("SHT_NOBITS", "SHT_NULL")
    if not nobits and header["sh_offset"] + size > file_size:
        raise ObjectError(f"is cut off: section {name} lies past its end", where=path, help=_AGAIN)
    if header["sh_flags"] & SHF_COMPRESSED:
        raise ObjectError(f"has a compressed section ({name})", where=path, help="compile it without -gz")
    data = b"" if nobits else bytes(header.data())
    return Section(index, name, str(header["sh_type"]), header["sh_flags"], size, data)


def _symbol(entry: Any) -> Symbol:
    section = entry["st_shndx"]
    return Symbol(
        entry.name,
        entry["st_value"],
        entry["st_size"],
        str(entry["st_info"]["type"]),
        str(entry["st_info"]["bind"]),
        section if isinstance(section, int) else None,
        str(entry["st_other"]["visibility"]),
    )


# What compilers and linkers write (elf.h); any other value is left to parse().
_TYPES = {
    0: "SHT_NULL", 1: "SHT_PROGBITS", 2: "SHT_SYMTAB", 3: "SHT_STRTAB", 7: "SHT_NOTE", 8: "SHT_NOBITS",
    9: "SHT_REL", 17: "SHT_GROUP", 0x6FFF4C03: str(0x6FFF4C03),  # SHT_LLVM_ADDRSIG
}  # fmt: skip
_SYMBOL_TYPES = {0: "STT_NOTYPE", 1: "STT_OBJECT", 2: "STT_FUNC", 3: "STT_SECTION", 4: "STT_FILE"}
_BINDS = {0: "STB_LOCAL", 1: "STB_GLOBAL", 2: "STB_WEAK"}
_VISIBILITIES = {0: "STV_DEFAULT", 1: "STV_INTERNAL", 2: "STV_HIDDEN", 3: "STV_PROTECTED"}
_INFOS = {bind << 4 | kind: (_SYMBOL_TYPES[kind], _BINDS[bind]) for bind in _BINDS for kind in _SYMBOL_TYPES}
_NOWHERE = {0: None, 0xFFF1: None, 0xFFF2: None}  # SHN_UNDEF, SHN_ABS, SHN_COMMON
_LORESERVE = 0xFF00

# Elf64_Ehdr from e_ident's end, Elf64_Shdr, Elf64_Sym, Elf64_Rel with r_info in its two halves
_FORMATS = {
    b"\x02\x01": (
        "little",
        Struct("<HHIQQQIHHHHHH"),
        Struct("<IIQQQQIIQQ"),
        Struct("<IBBHQQ"),
        Struct("<QII"),
    ),
    b"\x02\x02": ("big", Struct(">HHIQQQIHHHHHH"), Struct(">IIQQQQIIQQ"), Struct(">IBBHQQ"), Struct(">QII")),
}


class _Unusual(Exception):
    """Something that parse_fast() leaves to parse()."""


def parse_fast(data: bytes, path: Path) -> ObjectFile:
    """As parse(), without pyelftools where the object is as compilers and linkers write them."""
    try:
        return _fast(data, path)
    except (_Unusual, StructError, KeyError, ValueError, IndexError):
        return parse(data, path)


def _fast(data: bytes, path: Path) -> ObjectFile:
    byteorder, ehdr, shdr, sym, rel = _FORMATS[data[4:6]]
    kind, machine, _, _, _, start, _, _, _, _, entry_size, count, names_index = ehdr.unpack_from(data, 16)
    _usual(data[:4] == b"\x7fELF" and (kind, machine, entry_size) == (1, 247, shdr.size))  # ET_REL, EM_BPF
    _usual(0 < names_index < count < _LORESERVE and start + count * entry_size <= len(data))
    headers = list(shdr.iter_unpack(data[start : start + count * entry_size]))
    names = _contents(data, headers[names_index])
    _usual(_longest(names) <= _LONGEST_NAME)
    sections = []
    for index, header in enumerate(headers):
        name, number, flags, size = header[0], header[1], header[2], header[5]
        _usual(not flags & SHF_COMPRESSED)
        contents = b"" if number in (0, 8) else _contents(data, header)
        sections.append(Section(index, _string(names, name), _TYPES[number], flags, size, contents))
    _usual(sum(len(section.data) for section in sections) <= len(data))
    symbols = _symbols(headers, sections, sym)
    relocations: dict[int, tuple[Relocation, ...]] = {}
    for section, header in zip(sections, headers, strict=True):
        if section.type == "SHT_REL":
            target = header[7]
            _usual(header[9] == rel.size and target < count)
            if sections[target].flags & SHF_ALLOC:
                # r_info's halves change places with the byte order.
                entries = [
                    Relocation(offset, low, high) if byteorder == "little" else Relocation(offset, high, low)
                    for offset, low, high in rel.iter_unpack(section.data)
                ]
                _usual(all(entry.symbol < len(symbols) for entry in entries))
                relocations[target] = relocations.get(target, ()) + tuple(entries)
    return ObjectFile(path, byteorder, tuple(sections), symbols, relocations)


def _symbols(headers: list[tuple[int, ...]], sections: list[Section], sym: Struct) -> tuple[Symbol, ...]:
    tables = [section for section in sections if section.type == "SHT_SYMTAB"]
    if not tables:
        return ()
    (table,) = tables
    strings = sections[headers[table.index][6]]
    _usual(strings.type == "SHT_STRTAB" and strings.data[:1] == b"\0" and headers[table.index][9] == sym.size)
    _usual(_longest(strings.data) <= _LONGEST_NAME)
    symbols = []
    for name, info, other, place, value, size in sym.iter_unpack(table.data):
        kind, bind = _INFOS[info]
        section = _NOWHERE.get(place, place)
        _usual(section is None or section < len(sections))
        text = _string(strings.data, name) if name else ""  # as most are
        symbols.append(Symbol(text, value, size, kind, bind, section, _VISIBILITIES[other]))
    return tuple(symbols)


def _contents(data: bytes, header: tuple[int, ...]) -> bytes:
    start, end = header[4], header[4] + header[5]
    _usual(end <= len(data))
    return data[start:end]


def _string(strings: bytes, offset: int) -> str:
    return strings[offset : strings.index(b"\0", offset)].decode(errors="replace")


def _longest(strings: bytes) -> int:
    return max(map(len, strings.split(b"\0")))


def _usual(holds: bool) -> None:
    if not holds:
        raise _Unusual


def read(path: Path, parser: Callable[[bytes, Path], ObjectFile] = parse) -> ObjectFile:
    """The object at path, read by parser. ObjectError says what is wrong with a file that is none."""
    return parser(contents(path), path)


def contents(path: Path) -> bytes:
    """The bytes of a file that may be an object. ObjectError for one that cannot be read, is too large or
    is none that ends (a fifo, a device)."""
    try:
        # Not to wait: /proc/kmsg, too, calls itself a regular file.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ObjectError("is no regular file", where=path)
            size = max(status.st_size, 0)
            if size > SIZE_LIMIT << 20:
                raise ObjectError(f"is {size} bytes, at most {SIZE_LIMIT} MiB are read", where=path)
            return file.read() or b""
    except IsADirectoryError:
        raise ObjectError("is a directory, not a BPF object", where=path) from None
    except OSError as error:
        raise ObjectError(f"cannot be read: {error.strerror}", where=path) from None
