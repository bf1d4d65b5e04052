# SPDX-License-Identifier: Apache-2.0
"""An object of several sources: its parts are linked by libbpf's static linker (`bpftool gen object`)."""

from __future__ import annotations

from bpfline_loader.files import write_whole

from . import bpftool
from .errors import AuditError
from .project import PARTS, Project, Source
from .step import Done


def link(project: Project, source: Source) -> Done:
    """Link the parts of source to its object. AuditError with the linker's words where it refuses."""
    parts = [unit.object_file for unit in source.units]
    new = source.object_file.with_name(f".{source.object_file.name}.tmp")
    try:
        result = bpftool.run(project.settings, "gen", "object", new, *parts)
        if result.returncode:
            raise AuditError(
                f"its parts cannot be linked: {_words(result.stderr)}",
                where=source.object_file,
                help=f"they are {source.sources}",
            )
        new.rename(source.object_file)
    finally:
        new.unlink(missing_ok=True)
    write_whole(source.depfile, b"".join(unit.depfile.read_bytes() for unit in source.units))
    known = {*parts, *(unit.depfile for unit in source.units)}
    for stale in (source.folder / PARTS).rglob("*"):
        if stale.is_file() and stale not in known:
            stale.unlink()
    return Done(read=[unit.depfile for unit in source.units], wrote=[source.object_file, source.depfile])


def _words(stderr: bytes) -> str:
    """libbpf's own line, which comes before bpftool's "failed to link"."""
    lines = [line.strip() for line in stderr.decode(errors="replace").splitlines() if line.strip()]
    return next((line.removeprefix("libbpf: ") for line in lines if line.startswith("libbpf: ")), "") or (
        lines[-1] if lines else "bpftool does not say why"
    )
