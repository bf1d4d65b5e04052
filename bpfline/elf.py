# SPDX-License-Identifier: Apache-2.0
"""A BPF object as it stands in its ELF file, read whole and checked (pyelftools)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from .errors import ObjectError

SHF_ALLOC, SHF_EXECINSTR, SHF_COMPRESSED = 0x2, 0x4, 0x800

# R_BPF_* (Documentation/bpf/llvm_reloc.rst)
R_BPF_64_64, R_BPF_64_ABS64, R_BPF_64_ABS32, R_BPF_64_NODYLD32, R_BPF_64_32 = 1, 2, 3, 4, 10


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


@dataclass(frozen=True)
class Symbol:
    """section: index, or None where the symbol is in no section (undefined, absolute, common)."""

    name: str
    value: int
    size: int
    type: str
    bind: str
    section: int | None


@dataclass(frozen=True)
class Relocation:
    """One entry for a section: at offset, of type R_BPF_*, against symbol (an index)."""

    offset: int
    type: int
    symbol: int


@dataclass(frozen=True)
class ObjectFile:
    """An ELF relocatable file for BPF. relocations: by the index of the section they are for."""

    path: Path
    byteorder: str
    sections: tuple[Section, ...]
    symbols: tuple[Symbol, ...]
    relocations: dict[int, tuple[Relocation, ...]]

    @cached_property
    def by_name(self) -> dict[str, Section]:
        """The sections by name; of several with one name, the first."""
        return {section.name: section for section in reversed(self.sections)}

    def functions(self, section: Section) -> list[Symbol]:
        """The functions of a section by their place in it."""
        found = [s for s in self.symbols if s.section == section.index and s.type == "STT_FUNC"]
        return sorted(found, key=lambda symbol: (symbol.value, symbol.name))


def read(path: Path) -> ObjectFile:
    """The object at path. ObjectError says what is wrong with a file that is none."""
    try:
        data = path.read_bytes()
    except IsADirectoryError:
        raise ObjectError("is a directory, not a BPF object", where=path) from None
    except OSError as error:
        raise ObjectError(f"cannot be read: {error.strerror}", where=path) from None
    return parse(data, path)


def parse(data: bytes, path: Path) -> ObjectFile:
    """data, which stands at path, as an object."""
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
        raise ObjectError(f"is damaged ({words})", where=path, help="compile it again") from None


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
        raise ObjectError(
            "is cut off: its section headers lie past its end", where=path, help="compile it again"
        )
    sections = []
    symbols: tuple[Symbol, ...] = ()
    relocations: dict[int, tuple[Relocation, ...]] = {}
    for index in range(file.num_sections()):
        header = file.get_section(index)
        sections.append(_section(header, index, path, file_size))
        kind = header["sh_type"]
        if kind == "SHT_SYMTAB":
            symbols = tuple(map(_symbol, header.iter_symbols()))
        elif kind == "SHT_REL":
            entries = tuple(
                Relocation(entry["r_offset"], entry["r_info_type"], entry["r_info_sym"])
                for entry in header.iter_relocations()
            )
            relocations[header["sh_info"]] = relocations.get(header["sh_info"], ()) + entries
        elif kind == "SHT_RELA":
            raise ObjectError(f"has relocations of a kind that BPF does not use ({header.name})", where=path)
    for target, entries in relocations.items():
        if target >= len(sections) or any(entry.symbol >= len(symbols) for entry in entries):
            raise ObjectError("is damaged (relocations against what is not there)", where=path)
    if any(symbol.section is not None and symbol.section >= len(sections) for symbol in symbols):
        raise ObjectError("is damaged (symbols in sections that are not there)", where=path)
    byteorder = "little" if file.little_endian else "big"
    return ObjectFile(path, byteorder, tuple(sections), symbols, relocations)


def _section(header: Any, index: int, path: Path, file_size: int) -> Section:
    name, size = header.name, header["sh_size"]
    nobits = header["sh_type"] in ("SHT_NOBITS", "SHT_NULL")
    if not nobits and header["sh_offset"] + size > file_size:
        raise ObjectError(
            f"is cut off: section {name} lies past its end", where=path, help="compile it again"
        )
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
        entry["st_info"]["type"],
        entry["st_info"]["bind"],
        section if isinstance(section, int) else None,
    )
