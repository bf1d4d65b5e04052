# SPDX-License-Identifier: Apache-2.0
"""The spec: what an object file and its settings say of a bundle, without a look at any kernel."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from bpfline_loader.btf import Btf, BtfError, Kind
from bpfline_loader.bundle import Bundle, Program
from bpfline_loader.errors import Problem, printable

from . import audit, btf_ext, btf_fixup, section_kinds, struct_ops
from . import maps as maps_
from .constants import Given, Value, variable_of
from .data_maps import variable_names
from .elf import ObjectFile, Section, Symbol
from .errors import AuditError
from .link import Linked, link
from .relocate import Functions
from .section_kinds import Match, SectionKind
from .settings import FILE, ObjectSettings, ProgramSettings

_EXCEPTION_CALLBACK = "exception_callback:"  # __exception_cb() of bpf_experimental.h


Row = TypeVar("Row")


@dataclass(frozen=True)
class Failure:
    """A program that the bundle lacks, and why; the others are in it. place: the program's among all."""

    program: str
    section: str
    problem: Problem
    place: int


@dataclass(frozen=True)
class Spec:
    """bundle: what the kernel side can work with. warnings: one for each, with where. failures: in the
    order of the programs."""

    bundle: Bundle
    warnings: tuple[str, ...]
    failures: tuple[Failure, ...]

    def in_order(self, rows: Iterable[Row], failed: Iterable[Row]) -> tuple[Row, ...]:
        """What was found of the bundle's programs and of the failures, in the order of the programs."""
        found = list(rows)
        for failure, row in zip(self.failures, failed, strict=True):
            found.insert(failure.place, row)
        return tuple(found)


@dataclass(frozen=True)
class _Tables:
    """What the settings say of the object name, and of its programs: None where no project is."""

    name: str
    object: ObjectSettings
    programs: Mapping[str, ProgramSettings] | None

    def of(self, program: Symbol) -> ProgramSettings:
        return (self.programs or {}).get(program.name, ProgramSettings())

    @property
    def of_object(self) -> str | None:
        """The table of the object, as it is written."""
        return None if self.programs is None else f'[tool.bpfline.object."{printable(self.name)}"]'


def spec(
    object_file: ObjectFile,
    *,
    name: str,
    source: str,
    settings: ObjectSettings,
    clang: str | None,
    mcpu: str | None,
    programs: Mapping[str, ProgramSettings] | None = None,
    shared: Mapping[str, Value] | None = None,
    constants: Mapping[str, Value] | None = None,
    freplace: str | None = None,
) -> Spec:
    """The bundle that is called name. source: named in messages where there is no line.

    programs: the settings of single programs, by their names; None where no project is, whose settings
    errors could name.
    shared, constants: values for global variables, the project's and those of --set, for those that this
    object has; settings.set wins over the former, --set over both.
    freplace: a type that programs of SEC("freplace") get, where there is none that they extend.
    Problem for an object of which nothing can be loaded: it is damaged, its maps or its externs are
    wrong, it has no program.
    """
    try:
        tables = _Tables(name, settings, programs)
        return _spec(object_file, source, tables, clang, mcpu, shared or {}, constants or {}, freplace)
    except BtfError as error:
        error.where = error.where or str(object_file.path)
        raise


def _spec(
    object_file: ObjectFile,
    source: str,
    tables: _Tables,
    clang: str | None,
    mcpu: str | None,
    shared: Mapping[str, Value],
    constants: Mapping[str, Value],
    freplace: str | None,
) -> Spec:
    types = object_file.by_name.get(".BTF")
    btf = Btf.parse(types.data) if types is not None else None
    ext = btf_ext.read(object_file, btf)
    where = audit.Places(object_file, btf, ext, source)
    audit.check_functions(object_file)
    audit.check_undefined(object_file, btf, where)
    maps = maps_.read(object_file, btf)
    known = variable_names(object_file, btf) if shared or constants else set()
    maps = maps_.with_constants(maps, btf, _values(tables, known, shared, constants))
    license_, warnings = audit.license_of(object_file, tables.object, source, tables.of_object)
    programs: list[Program] = []
    failures: list[Failure] = []
    functions = Functions(object_file, ext, maps.place, where)
    callbacks = _exception_callbacks(functions, btf, source)
    for section, entry in _entries(object_file, functions, tables, source):
        try:
            kind = _kind(section, entry, tables, where, freplace)
            linked = link(functions, entry, callbacks.get(entry.name, ()))
            audit.check_instructions(linked, where)
            programs.append(_program(section, entry, kind, linked, tables))
        except Problem as problem:
            # Its traceback would hold on to this frame, and to the whole object.
            place = len(programs) + len(failures)
            failures.append(Failure(entry.name, section.name, problem.with_traceback(None), place))
        else:
            warnings += audit.unrelocated(linked, where)
    callbacks_loaded = struct_ops.loaded(maps.maps)
    programs = [
        dataclasses.replace(each, autoload=callbacks_loaded.get(each.name, each.autoload))
        for each in programs
    ]
    bundle = Bundle(
        object=tables.name,
        source=source,
        license=license_,
        byteorder=object_file.byteorder,
        clang=clang,
        mcpu=mcpu,
        programs=tuple(programs),
        btf=btf_fixup.for_kernel(btf, object_file) if btf is not None else b"",
        maps=maps.maps,
        externs=maps.externs,
    )
    warnings += audit.not_loaded(object_file, maps.maps, source)
    if not failures:
        warnings += _extends_nothing(tables, bundle)
    return Spec(bundle, warnings, tuple(failures))


def _extends_nothing(tables: _Tables, bundle: Bundle) -> tuple[str, ...]:
    """A warning where the object's target is that of no program: its object is built first all the same."""
    target = tables.object.target
    if target is None or any(each.target == target for each in bundle.programs):
        return ()
    return (
        f"{FILE}: warning: tool.bpfline.object.{tables.name}.target is '{target}', and no program of "
        f'{tables.name} is for it\n  help: a target is for SEC("freplace/FUNCTION")',
    )


def _entries(
    object_file: ObjectFile, functions: Functions, tables: _Tables, source: str
) -> Iterator[tuple[Section, Symbol]]:
    """The programs in libbpf's order: by section, then by their places.

    Beside sections of programs .text holds what they call (prog_is_subprog in libbpf), and so do static
    functions anywhere; .text alone is one program.
    """
    found = [
        (section, function)
        for section in object_file.sections
        if section.executable and section.name != audit.TEXT
        for function in object_file.functions(section)
        if function.bind != "STB_LOCAL"
    ]
    text = object_file.by_name.get(audit.TEXT)
    if not found and text is not None and text.executable and object_file.functions(text):
        found = [(text, audit.entry(functions, text, tables.object, source, tables.of_object))]
    if not found:
        raise AuditError("holds no program", where=source, help="define a function that is not static")
    yield from found


def _kind(
    section: Section, entry: Symbol, tables: _Tables, where: audit.Places, freplace: str | None
) -> Match:
    """What kind of program stands in a section: its name says so, else the settings do."""
    settings, own = tables.object, tables.of(entry)
    match = section_kinds.find(section.name)
    table = f'[tool.bpfline.program."{tables.name}/{entry.name}"]'
    if own.target is not None and (match is None or match.type != "ext"):
        raise AuditError(
            f'program {entry.name}: {table} has a target, and SEC("{section.name}") extends no program',
            where=where(section, entry.value),
            help='a target is for SEC("freplace/FUNCTION"); what a program is attached to is its attach',
        )
    if match is not None and match.type == "ext" and freplace is not None:
        return Match(SectionKind(match.kind.pattern, freplace), match.target, match.autoload)
    if match is not None and match.needs_target and settings.attach is None and own.attach is None:
        raise AuditError(
            f'program {entry.name}: SEC("{section.name}") does not say what it is attached to',
            where=where(section, entry.value),
            help=f'write SEC("{section.name}/NAME")'
            + (f', or attach = "NAME" in {table}' if tables.programs is not None else "")
            + (", or give --type TYPE" if match.type == "ext" and tables.programs is None else ""),
        )
    if match is not None:
        return match
    if settings.type is not None:
        return Match(
            SectionKind(section.name, settings.type), None, autoload=not section.name.startswith("?")
        )
    if section.name == audit.TEXT:
        raise AuditError(
            f"has a program without SEC(), {entry.name}: nothing says of what type it is",
            where=where.source,
            help=f'type = "tracepoint", attach = "CATEGORY/NAME" in {tables.of_object}'
            if tables.of_object
            else "give --type, such as --type tracepoint",
        )
    near = section_kinds.near(section.name)
    raise AuditError(
        f'program {entry.name}: SEC("{section.name}") is not known',
        where=where(section, entry.value),
        help=f"did you mean {' or '.join(near)}?"
        if near
        else "see docs.kernel.org/bpf/libbpf/program_types.html",
    )


def _program(section: Section, entry: Symbol, kind: Match, linked: Linked, tables: _Tables) -> Program:
    settings, own = tables.object, tables.of(entry)
    attach = next((each for each in (own.attach, kind.attach, settings.attach) if each is not None), None)
    return Program(
        name=entry.name,
        section=section.name.removeprefix("?"),
        type=kind.type,
        attach=attach,
        insns=linked.insns,
        expected_attach_type=kind.expected_attach_type,
        attach_btf=None if kind.kind.attach_btf is None or attach is None else kind.kind.attach_btf + attach,
        flags=kind.flags,
        autoload=kind.autoload,
        drop_attach_type=kind.drop_attach_type,
        fixups=linked.fixups,
        func_info=linked.func_info,
        line_info=linked.line_info,
        core_relos=linked.core_relos,
        target=(own.target or settings.target) if kind.type == "ext" else None,
    )


def _values(
    tables: _Tables,
    known: set[str],
    shared: Mapping[str, Value],
    constants: Mapping[str, Value],
) -> dict[str, Given]:
    """What the object's variables are set to, and where; of shared and constants those that are
    known."""

    def has(variable: str) -> bool:
        return variable_of(variable) in known

    name, table = tables.name, f"{FILE}: tool.bpfline"
    return {
        **{key: Given(each, f"{table}.set.{key} for {name}") for key, each in shared.items() if has(key)},
        **{key: Given(each, f"{table}.object.{name}.set.{key}") for key, each in tables.object.set.items()},
        **{key: Given(each, f"--set {key}={each} for {name}") for key, each in constants.items() if has(key)},
    }


def _exception_callbacks(functions: Functions, btf: Btf | None, source: str) -> dict[str, list[Symbol]]:
    """By program what it names with __exception_cb(), which nothing calls (bpf_prog_assign_exc_cb)."""
    if btf is None or _EXCEPTION_CALLBACK.encode() not in btf.strings:
        return {}
    found: dict[str, list[Symbol]] = {}
    for tag in btf.of_kind(Kind.DECL_TAG):
        if tag.name.startswith(_EXCEPTION_CALLBACK) and btf.component(tag.id) == -1:
            wanted = tag.name.removeprefix(_EXCEPTION_CALLBACK)
            named = [each for each in functions.symbols.values() if each.name == wanted]
            if not named or named[0].bind == "STB_LOCAL":
                raise AuditError(
                    f"has no global function {wanted}, which a program names for its exceptions", where=source
                )
            found.setdefault(btf.type(tag.size_or_type).name, []).append(named[0])
    return found
