# SPDX-License-Identifier: Apache-2.0
"""Rendering: the bundle's description, and a project's own templates."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bpfline import render
from bpfline.project import Project as Sources
from bpfline_loader import bundle
from conftest import Project

ROOT = Path(__file__).parent.parent


@pytest.fixture
def own(project: Project) -> Project:
    """A project with a program and a folder of templates, still empty."""
    project.settings("prog", more='templates = "templates"')
    project.program("prog", 7)
    project.path("templates").mkdir()
    return project


def test_the_description_is_the_bundle_that_the_loader_reads(own: Project) -> None:
    own.build()
    found = bundle.read(own.path("build/prog"))
    (program,) = found.programs
    assert (found.object, found.source, found.license, found.mcpu) == ("prog", "bpf_src/prog.c", "GPL", "v3")
    assert (program.name, program.section, program.type, program.attach) == (
        "prog",
        ".text",
        "tracepoint",
        None,
    )
    assert program.insns == own.path("build/prog/sections/text.bin").read_bytes()


def test_hostile_names_stay_data(project: Project) -> None:
    name = """a "b" 'c' \\ {{ 7 - 7 }} {% raw %} é $(x) #"""
    key = json.dumps(name)
    project.write(
        "pyproject.toml",
        f"[tool.bpfline]\ntemplates = 'templates'\n[tool.bpfline.object.{key}]\ntype = 'tracepoint'\n"
        f"attach = {key}\nlicense = {key}\n",
    )
    project.write(f"bpf_src/{name}.c", "int f(void *ctx) { return 0; }\n")
    project.write("templates/all.json.j2", "[{{ bundle.object | json }}, {{ program.attach | json }}]")
    project.build()
    folder = project.path("build") / name
    found = bundle.read(folder)
    assert (found.object, found.license, found.programs[0].attach) == (name, name, name)
    assert json.loads((folder / "all.json").read_text()) == [name, name]
    assert (folder / "loader").is_file()


def test_a_projects_templates_are_rendered_for_each_object_and_go_when_they_go(own: Project) -> None:
    own.settings("prog", "two", more='templates = "templates"')
    own.program("two", 8)
    own.write("templates/sub/name.txt.j2", "{{ bundle.object }} of {{ folder }}\n")
    own.build()
    for name in ("prog", "two"):
        assert own.path(f"build/{name}/sub/name.txt").read_text() == f"{name} of build/{name}\n"
    own.path("templates/sub/name.txt.j2").unlink()
    own.build()
    assert not own.path("build/prog/sub/name.txt").exists()


def test_a_changed_file_that_a_template_includes_renders_it_again(own: Project) -> None:
    own.write("templates/a.txt.j2", "{% include 'part.txt' %}")
    own.write("templates/part.txt", "one")
    own.build()
    own.write("templates/part.txt", "two")
    assert own.build().ran == {"config:prog"}
    assert own.path("build/prog/a.txt").read_text() == "two"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("one\n{{ bundle.objekt }}\n", "2: error: cannot be rendered: .* has no attribute 'objekt'"),
        ("{{ nothing }}", "1: error: cannot be rendered: 'nothing' is undefined"),
        ("a\n\n{% if %}\n", "3: error: "),
        ("a\n{{ 1 | no_such_filter }}\n", "2: error: No filter named 'no_such_filter'"),
        ("{% include 'gone.txt' %}\n", "1: error: includes gone.txt, which is not there"),
        ("a\n{{ 1 // 0 }}\n", "2: error: cannot be rendered: integer division or modulo by zero"),
        ("a\n{% include 'x.txt.j2' %}\n", "2: error: cannot be rendered: maximum recursion depth exceeded"),
        ("{{ bundle | json }}", "1: error: cannot be rendered: "),
    ],
)
def test_a_template_that_cannot_be_rendered_is_one_line_with_its_own_line(
    text: str, words: str, own: Project
) -> None:
    own.write("templates/x.txt.j2", text)
    built = own.build(status=3)
    (line,) = (line for line in built.stderr.splitlines() if "error: " in line)
    assert re.match(r"templates/x\.txt\.j2:" + words, line), line
    assert not own.path("build/prog/x.txt").exists()


def test_a_failing_template_leaves_what_it_gave_before(own: Project) -> None:
    own.write("templates/x.txt.j2", "{{ bundle.object }}")
    own.build()
    own.write("templates/x.txt.j2", "{{ nothing }}")
    own.build(status=3)
    assert own.path("build/prog/x.txt").read_text() == "prog"


@pytest.mark.parametrize(
    "name", ["loader.json", "loader.c", "loader", "prog.o", "prog.d", "sections/text.bin"]
)
def test_a_template_that_would_overwrite_an_artifact_is_refused(name: str, own: Project) -> None:
    own.write(f"templates/{name}.j2", "x")
    built = own.build(status=3)
    assert f"templates/{name}.j2: error: would overwrite an artifact of bpfline's" in built.stderr
    assert not own.path(f"build/prog/{name}").exists()


def test_a_folder_of_templates_that_is_not_there_is_said(own: Project) -> None:
    own.path("templates").rmdir()
    assert "templates: error: tool.bpfline.templates names no folder" in own.build(status=3).stderr


def test_the_example_in_the_documentation_gives_what_it_shows(own: Project) -> None:
    text = (ROOT / "docs/templates.md").read_text()
    (template,) = re.findall(r"```jinja\n(.*?)```", text, re.DOTALL)
    (shown,) = re.findall(r"```c\n(.*?)```", text, re.DOTALL)
    own.write("templates/skeleton.h.j2", template)
    own.write("bpf_src/prog.c", (ROOT / "bpf_src/prog.c").read_text())
    own.build()
    made = own.path("build/prog/skeleton.h").read_text()
    assert [_no_figures(line) for line in made.splitlines()] == [
        _no_figures(line) for line in shown.splitlines()
    ]


def _no_figures(line: str) -> str:
    return re.sub(r"bpfline [\d.]+|INSNS \d+", "N", line)


def test_the_documentation_names_all_that_a_template_is_given(own: Project) -> None:
    text = (ROOT / "docs/templates.md").read_text().partition("## What a template is given")[2]
    own.build()
    (source,) = Sources(own.root).sources
    given = render._data(source, bundle.read(own.path("build/prog")))
    assert [name for name in (*given, *given["program"]) if f"`{name}`" not in text] == []
