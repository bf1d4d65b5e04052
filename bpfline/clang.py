# SPDX-License-Identifier: Apache-2.0
"""The compiler: which clang it is, where it looks for headers, and the command for each source."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from bpfline_loader.files import write_whole

from . import process
from .depfile import SearchPath
from .errors import ToolError
from .project import BUILD, VMLINUX, Project, Unit

# What was asked of clang once, kept so that a build with nothing to do starts no process.
_ASKED = BUILD / ".clang.json"

_NEEDED = "asm/types.h"  # what linux/bpf.h includes and only the host's own folder has


@dataclass(frozen=True)
class Clang:
    """A compiler as it was found. stamp tells it from one that is installed later at the same path.

    includes: the folders where `-target bpf` looks, in order, those first that do not exist yet.
    host_includes: those that the host's target has besides, for the architecture's asm/ headers.
    """

    path: str
    stamp: str
    version: str
    includes: tuple[str, ...]
    host_includes: tuple[str, ...]


def find(project: Project) -> Clang:
    """The project's compiler. ToolError where it is missing or cannot compile for BPF."""
    name = project.settings.clang
    path = shutil.which(name)
    if path is None:
        raise ToolError("is not installed", where=name, help="apt install clang, or set tool.bpfline.clang")
    real = Path(path).resolve()
    status = real.stat()
    stamp = f"{real} {status.st_size} {status.st_mtime_ns}"
    kept = _kept(project.root / _ASKED, path, stamp)
    if kept is not None:
        return kept
    found = Clang(path, stamp, _version(path), *_includes(path))
    # Where the host's headers are missing, nothing is kept: they may be installed any moment.
    if any((Path(folder) / _NEEDED).exists() for folder in found.includes + found.host_includes):
        write_whole(project.root / _ASKED, json.dumps(asdict(found), indent=1).encode())
    return found


def _kept(path: Path, clang: str, stamp: str) -> Clang | None:
    try:
        kept = json.loads(path.read_bytes())
        found = Clang(
            **{**kept, "includes": tuple(kept["includes"]), "host_includes": tuple(kept["host_includes"])}
        )
    except (OSError, ValueError, TypeError, KeyError):
        return None
    current = (found.path, found.stamp) == (clang, stamp)
    there = any((Path(folder) / _NEEDED).exists() for folder in found.includes + found.host_includes)
    return found if current and there else None


def _version(path: str) -> str:
    """ "14.0.6" of "Debian clang version 14.0.6"."""
    result = process.run([path, "--version"])
    found = re.search(rb"clang version (\S+)", result.stdout)
    if result.returncode or not found:
        raise ToolError("does not answer --version as clang does", where=path, help="set tool.bpfline.clang")
    return found[1].decode(errors="replace")


def _includes(path: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(folders of -target bpf, folders that only the host's target has)."""
    for_bpf = _search_list([path, "-target", "bpf"])
    if for_bpf is None:
        raise ToolError("cannot compile for BPF", where=path, help="install a clang that has the bpf target")
    for_host = _search_list([path])
    absent, present = for_bpf
    host = for_host[1] if for_host else _multiarch()
    # Where an absent one has its place clang does not say; as the first it misses no header that
    # appears in it.
    return absent + present, tuple(folder for folder in host if folder not in present)


def _search_list(argv: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """(those that do not exist, the others) of a compiler's folders for #include <...>; None where
    it fails."""
    result = process.run([*argv, "-E", "-v", "-x", "c", "/dev/null"])
    text = result.stderr.decode(errors="surrogateescape")
    found = re.search(r"^#include <\.\.\.> search starts here:\n(.*?)^End of search list", text, re.M | re.S)
    if result.returncode or not found:
        return None
    absent = re.findall(r'^ignoring nonexistent directory "(.*)"$', text, re.M)
    return tuple(absent), tuple(line.strip() for line in found[1].splitlines())


def _multiarch() -> tuple[str, ...]:
    """Debian's folder of the architecture, where clang itself has no host target."""
    if shutil.which("dpkg-architecture") is None:
        return ()
    name = process.run(["dpkg-architecture", "-qDEB_HOST_MULTIARCH"]).stdout.decode().strip()
    return (f"/usr/include/{name}",) if name else ()


def search_path(clang: Clang, project: Project, unit: Unit) -> SearchPath:
    """Where clang looks for the headers of unit, in order (clang's manual, "Include path options")."""
    found = _named_folders(project, unit)
    system = (*found["-isystem"], *clang.includes, *found["-idirafter"], *clang.host_includes)
    # A folder that is one of the system's too keeps that place (RemoveDuplicates in clang's
    # lib/Lex/InitHeaderSearch.cpp).
    places = {os.path.realpath(project.root / folder) for folder in system}
    own = [folder for folder in found["-I"] if os.path.realpath(project.root / folder) not in places]
    return SearchPath(tuple(found["-iquote"]), (*own, *system))


def folders(project: Project, unit: Unit) -> list[str]:
    """The folders that settings name for the headers of unit."""
    return [folder for named in _named_folders(project, unit).values() for folder in named]


def _named_folders(project: Project, unit: Unit) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"-iquote": [], "-I": [], "-isystem": [], "-idirafter": []}
    words = iter(_user_flags(project, unit))
    for word in words:
        for flag, named in found.items():
            if word == flag:
                named.append(next(words, ""))
            elif word.startswith(flag):
                named.append(word.removeprefix(flag))
    return found


def command(clang: Clang, project: Project, unit: Unit, output: Path, depfile: Path) -> list[str]:
    """The command that compiles unit; every path in it is relative to the project's root.

    The colours are always asked for, and taken out where nobody sees them: the flag itself can
    change the order of types in .BTF (clang 19 and 22), and thereby an object's bytes.
    """
    return [
        clang.path,
        *("-target", "bpf", "-g", "-O2", "-Wall", f"-mcpu={unit.settings.mcpu or project.settings.mcpu}"),
        # The compilation's folder is in an object's debug information: without this, its bytes
        # would depend on where the project stands.
        "-fdebug-compilation-dir=.",
        "-fcolor-diagnostics",
        *_user_flags(project, unit),
        *(word for folder in clang.host_includes for word in ("-idirafter", folder)),
        *("-MD", "-MF", str(depfile), "-MT", str(unit.object_file)),
        *("-c", f"./{unit.path}", "-o", str(output)),  # ./ for a name that begins with a dash
    ]


def _user_flags(project: Project, unit: Unit) -> list[str]:
    ours, its = project.settings, unit.settings
    own = [
        *(f"-I{folder}" for folder in its.include + ours.include),
        *(f"-D{macro}" for macro in ours.define + its.define),
        *ours.cflags,
        *its.cflags,
    ]
    # A system header: what a newer kernel has its bpftool write makes older compilers warn, for nothing.
    return [*_target_arch(own), *own, f"-isystem{BUILD / VMLINUX}"]


# platform.machine() -> what bpf/bpf_tracing.h wants to know of the machine whose registers it reads
_ARCHITECTURES = (
    ("x86_64", "x86"), ("i?86", "x86"), ("aarch64*", "arm64"), ("arm*", "arm"), ("riscv*", "riscv"),
    ("s390*", "s390"), ("ppc*", "powerpc"), ("mips*", "mips"), ("sparc*", "sparc"), ("arc*", "arc"),
    ("loongarch*", "loongarch"),
)  # fmt: skip


def _target_arch(own: list[str]) -> list[str]:
    """-D__TARGET_ARCH_<the host's>, unless own flags define one."""
    if any("__TARGET_ARCH_" in word for word in own):
        return []
    machine = platform.machine()
    return [f"-D__TARGET_ARCH_{name}" for like, name in _ARCHITECTURES if fnmatchcase(machine, like)][:1]
