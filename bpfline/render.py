# SPDX-License-Identifier: Apache-2.0
"""Rendering: the bundle's description, the C loader, and a project's own templates (Jinja2).

docs/templates.md documents what a template is given; a name that it does not know is an error.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bpfline_loader import bundle as bundle_
from bpfline_loader.files import write_whole

from . import __version__, parts
from .audit import Parts
from .cstring import c_string
from .errors import AuditError, SettingsError
from .project import Project, Source
from .sections import safe_name
from .step import Done

if TYPE_CHECKING:
    import jinja2

OURS = Path(__file__).parent / "templates"
SUFFIX = ".j2"
C_LOADER = "loader.c"


def templates(project: Project) -> list[Path]:
    """The project's own templates, relative to the folder that its settings name."""
    name = project.settings.templates
    if name is None:
        return []
    folder = project.root / name
    if not folder.is_dir():
        raise SettingsError("tool.bpfline.templates names no folder", where=name)
    found = sorted(path.relative_to(folder) for path in folder.rglob("*" + SUFFIX) if path.is_file())
    compiled = {path.name for source in project.sources for path in (source.object_file, source.depfile)}
    for path in found:
        if path.with_suffix("").parts[0] in compiled.union(_TAKEN):
            raise SettingsError(
                "would overwrite an artifact of bpfline's", where=Path(name, path), help="rename it"
            )
    return found


_TAKEN = (bundle_.DESCRIPTION, C_LOADER, "loader", parts.FILE, "sections", "programs", "verifier")


def inputs(project: Project, source: Source) -> list[Path]:
    """What rendering source's bundle reads."""
    return [
        source.folder / parts.FILE,
        *(OURS / name for name in (bundle_.DESCRIPTION + SUFFIX, C_LOADER + SUFFIX)),
        Path(bundle_.__file__),  # the bundle's schema
        *_own_files(project),
    ]


def _own_files(project: Project) -> list[Path]:
    """Every file beside the project's own templates: a template can include any of them."""
    if not templates(project):
        return []
    folder = project.root / str(project.settings.templates)
    return sorted(path.relative_to(project.root) for path in folder.rglob("*") if path.is_file())


def render(project: Project, source: Source, clang: str) -> Done:
    """Write loader.json, loader.c where .text alone is the program, and the project's own files."""
    found = parts.read(source)
    bundle = _bundle(project, source, found, clang)
    data = _data(source, bundle)
    read: set[str] = set()
    ours = _environment(OURS, read)
    wrote = [source.folder / bundle_.DESCRIPTION]
    write_whole(wrote[0], _rendered(ours, bundle_.DESCRIPTION + SUFFIX, data))
    bundle_.read(source.folder)  # what the loader could not read is said now
    if len(found.programs) == 1 and found.programs[0].alone and _for_c_loader(bundle.programs[0]):
        wrote.append(source.folder / C_LOADER)
        write_whole(wrote[-1], _rendered(ours, C_LOADER + SUFFIX, data))
    if project.settings.templates is not None:
        own = _environment(Path(project.settings.templates), read)
        for path in templates(project):
            wrote.append(source.folder / path.with_suffix(""))
            write_whole(wrote[-1], _rendered(own, str(path), data))
    return Done(read=read, wrote=wrote)


def _for_c_loader(program: bundle_.Program) -> bool:
    """The C loader does what the blog's does: one program on one tracepoint."""
    return program.type == "tracepoint" and program.attach is not None


def _bundle(project: Project, source: Source, found: Parts, clang: str) -> bundle_.Bundle:
    settings = source.settings
    if settings.type is None:
        raise AuditError(
            f"has a program without SEC(), {found.programs[0].name}: nothing says of what type it is",
            where=source.path,
            help=f'[tool.bpfline.object."{source.object}"] type = "tracepoint", attach = "CATEGORY/NAME"',
        )
    programs = tuple(
        bundle_.Program(part.name, part.section, settings.type, settings.attach, part.insns)
        for part in found.programs
    )
    return bundle_.Bundle(
        object=source.object,
        source=str(source.path),
        license=found.license,
        byteorder=found.byteorder,
        clang=clang,
        mcpu=settings.mcpu or project.settings.mcpu,
        programs=programs,
    )


def _data(source: Source, bundle: bundle_.Bundle) -> dict[str, Any]:
    """What a template is given: docs/templates.md."""
    programs = [
        {
            "name": program.name,
            "section": program.section,
            "type": program.type,
            "attach": program.attach,
            "insns": f"programs/{safe_name(program.name)}.insns",
            "insn_count": len(program.insns) // bundle_.INSN_SIZE,
            "sha256": hashlib.sha256(program.insns).hexdigest(),
        }
        for program in bundle.programs
    ]
    return {
        "schema": bundle_.SCHEMA,
        "bpfline": __version__,
        "bundle": bundle,
        "programs": programs,
        "program": programs[0],
        "folder": str(source.folder),
    }


def _environment(folder: Path, read: set[str]) -> jinja2.Environment:
    """The templates in folder. read: gets the path of each that is used, also of those it includes."""
    import jinja2

    files = jinja2.FileSystemLoader(folder)

    def source(name: str) -> tuple[str, str, Any]:
        found = files.get_source(environment, name)
        read.add(found[1])
        return found

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(source),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # none of these files is HTML
    )
    environment.filters["json"] = json.dumps
    environment.filters["c_string"] = c_string
    return environment


def _rendered(environment: jinja2.Environment, name: str, data: dict[str, Any]) -> bytes:
    import jinja2

    try:
        return environment.get_template(name).render(data).encode(errors="surrogateescape")
    except jinja2.TemplateSyntaxError as error:
        raise SettingsError(f"{error.message}", where=f"{error.filename or name}:{error.lineno}") from None
    except jinja2.TemplateNotFound as error:
        raise SettingsError(f"includes {error.name}, which is not there", where=_line(error, name)) from None
    except (jinja2.TemplateError, *_A_TEMPLATES_FAULT) as error:
        raise SettingsError(f"cannot be rendered: {error}", where=_line(error, name)) from None


# What Python itself raises for an expression that makes no sense.
_A_TEMPLATES_FAULT = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def _line(error: BaseException, name: str) -> str:
    """The template's own line, which Jinja2 puts into the traceback."""
    found = name
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.endswith(SUFFIX):
            found = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found
