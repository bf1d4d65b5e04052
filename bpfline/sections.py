# SPDX-License-Identifier: Apache-2.0
"""The dumped sections: one llvm-objcopy run for an object, which stays as it was."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections import Counter
from pathlib import Path

from . import process
from .elf import SHF_ALLOC, ObjectFile, Section
from .errors import ToolError

# Besides what is allocated: what the loader and the reader of a verdict want.
_ALSO = (".BTF", ".BTF.ext")


def wanted(object_file: ObjectFile) -> list[Section]:
    """The sections that go to files: code, data and BTF."""
    return [
        section
        for section in object_file.sections
        if section.type == "SHT_PROGBITS" and (section.flags & SHF_ALLOC or section.name in _ALSO)
    ]


def file_names(sections: list[Section]) -> dict[int, str]:
    """Section index to the name of its file: the leading dot removed, `/` written `.`; two that
    would be one get their index appended, and so does what is no file name."""
    plain = {section.index: section.name.removeprefix(".").replace("/", ".") for section in sections}
    indexed = {index: f"{safe_name(name)}.{index}" for index, name in plain.items()}
    count = Counter([*plain.values(), *indexed.values()])
    return {
        index: (name if count[name] == 1 and name == safe_name(name) else indexed[index]) + ".bin"
        for index, name in plain.items()
    }


def safe_name(name: str) -> str:
    """name as part of a file's name: what cannot be in one is _, and it ends after 200 bytes."""
    plain = "".join(c if c.isprintable() and c != "/" else "_" for c in name).lstrip(".") or "_"
    return plain.encode()[:200].decode(errors="ignore")


def dump(object_file: ObjectFile, into: Path, objcopy: str) -> list[Path]:
    """Write each wanted section of object_file to its own file in into; returns the files.

    What stands in into is replaced as a whole. llvm-objcopy is told to write its copy elsewhere:
    without an output it would rewrite its input.
    """
    sections = wanted(object_file)
    names = file_names(sections)
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".sections.", suffix=".tmp", dir=into.parent) as temporary:
        files = {section.name: names[section.index] for section in sections if section.size}
        _objcopy(object_file.path, files, Path(temporary), objcopy)
        fresh = Path(temporary, "new")
        fresh.mkdir()
        for section in sections:
            dumped = Path(temporary, names[section.index])
            # What --dump-section cannot name: an empty section, the second of two with one name, a
            # name that holds "=".
            if not dumped.exists() or dumped.read_bytes() != section.data:
                dumped.write_bytes(section.data)
            dumped.rename(fresh / dumped.name)
        shutil.rmtree(into, ignore_errors=True)
        fresh.rename(into)
    return [into / name for name in names.values()]


def _objcopy(object_file: Path, files: dict[str, str], into: Path, objcopy: str) -> None:
    """Dump sections by their names to files in into, and the copy beside them.

    into is its current directory: in the path of an output it would take a "%" for a random digit
    (llvm::sys::fs::createUniquePath).
    """
    path = shutil.which(objcopy)
    if path is None:
        raise ToolError(
            "is not installed", where=objcopy, help="apt install llvm, or set tool.bpfline.objcopy"
        )
    dumps = [f"--dump-section={name}={file}" for name, file in files.items() if "=" not in name]
    result = process.run([str(Path(path).absolute()), *dumps, str(object_file.absolute()), "copy"], cwd=into)
    if result.returncode == -signal.SIGBUS:  # it writes through mmap(2), which a full disk ends so
        raise ToolError("no space left on device for its sections", where=object_file, help=result.ended)
    if result.returncode:
        words = result.stderr.decode(errors="replace").splitlines()
        complaint = next((line for line in words if "error: " in line.lower()), "llvm-objcopy failed")
        raise ToolError(f"cannot be dumped: {complaint}", where=object_file, help=result.ended)
