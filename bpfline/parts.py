# SPDX-License-Identifier: Apache-2.0
"""The audit's result on disk: programs/*.insns and parts.json, between the audit and the bundle."""

from __future__ import annotations

import hashlib
import json

from bpfline_loader.files import write_whole

from . import elf
from .audit import Part, Parts, audit
from .errors import ObjectError
from .project import Source
from .sections import safe_name
from .step import Done

FILE = "parts.json"


def write(source: Source) -> Done:
    """Audit source's object and write what it holds."""
    parts = audit(elf.read(source.object_file), source.settings, str(source.path))
    files = {
        program.name: source.folder / "programs" / f"{safe_name(program.name)}.insns"
        for program in parts.programs
    }
    for program in parts.programs:
        write_whole(files[program.name], program.insns)
    for stale in set((source.folder / "programs").glob("*")) - set(files.values()):
        stale.unlink()
    described = {
        "license": parts.license,
        "byteorder": parts.byteorder,
        "programs": [
            {
                "name": program.name,
                "section": program.section,
                "insns": str(files[program.name].relative_to(source.folder)),
                "sha256": hashlib.sha256(program.insns).hexdigest(),
                "alone": program.alone,
            }
            for program in parts.programs
        ],
    }
    path = source.folder / FILE
    write_whole(path, (json.dumps(described, indent=1) + "\n").encode())
    words = "".join(f"{warning}\n" for warning in parts.warnings).encode(errors="backslashreplace")
    return Done(wrote=(path, *files.values()), words=words)


def read(source: Source) -> Parts:
    """What write() wrote for source."""
    path = source.folder / FILE
    try:
        described = json.loads(path.read_bytes())
        programs = tuple(
            Part(
                entry["name"], entry["section"], (source.folder / entry["insns"]).read_bytes(), entry["alone"]
            )
            for entry in described["programs"]
        )
        return Parts(described["license"], described["byteorder"], programs, ())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ObjectError(
            f"is damaged ({error})", where=path, help="rebuild it: rm -rf build; doit build"
        ) from None
