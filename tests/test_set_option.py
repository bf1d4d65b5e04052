# SPDX-License-Identifier: Apache-2.0
"""Constants of a project: [tool.bpfline] set, an object's own, and --set for one time."""

from __future__ import annotations

import json

import pytest

from conftest import Project

pytestmark = pytest.mark.kernel

LOOPS = """#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
char LICENSE[] SEC("license") = "GPL";
const volatile int limit = 4;
SEC("socket") int loops(struct __sk_buff *skb)
{
	int sum = 0;
	for (int i = 0; i < limit; i++) { sum += i; asm volatile("" : "+r"(sum)); }
	return sum;
}
"""


@pytest.fixture
def project(project: Project) -> Project:
    """A project with two objects, one of which has a constant."""
    project.write("bpf_src/x.bpf.c", LOOPS)
    project.write("bpf_src/y.bpf.c", LOOPS.replace("const volatile int limit = 4;", "#define limit 4"))
    return project


def processed(project: Project, *args: str) -> dict[str, int]:
    """What the verifier processed, by object."""
    results = json.loads(project.doit("verify", "--json", *args).stdout)["results"]
    return {row["object"]: row["processed_insns"] for row in results}


def test_a_setting_of_the_project_is_for_the_objects_that_have_the_variable(project: Project) -> None:
    before = processed(project)
    project.write("pyproject.toml", "[tool.bpfline]\nset = { limit = 100 }\n")
    after = processed(project)
    assert after["x"] > 200 > before["x"]
    assert after["y"] == before["y"]


def test_an_objects_own_wins_and_builds_that_object_alone(project: Project) -> None:
    project.write("pyproject.toml", "[tool.bpfline]\nset = { limit = 100 }\n")
    project.build()
    project.write(
        "pyproject.toml",
        "[tool.bpfline]\nset = { limit = 100 }\n[tool.bpfline.object.x]\nset = { limit = 1 }\n",
    )
    assert {name for name in project.build().ran if not name.endswith(":x")} == set()
    assert processed(project)["x"] < 20


def test_set_is_for_one_time_and_wins_over_the_settings(project: Project) -> None:
    project.write("pyproject.toml", "[tool.bpfline.object.x]\nset = { limit = 1 }\n")
    assert processed(project, "--set", "limit=100")["x"] > 200
    assert processed(project)["x"] < 20


def test_a_name_that_no_object_has_is_said_with_near_ones(project: Project) -> None:
    words = "--set limt: error: no object has a global variable of that name\n  help: did you mean 'limit'?"
    assert words in project.doit("verify", "--set", "limt=1", status=3).stderr
    assert words in project.doit("run", "--for", "1", "--set", "limt=1", status=3).stderr


def test_a_name_in_the_projects_table_that_no_object_has_is_a_warning(project: Project) -> None:
    project.write("pyproject.toml", "[tool.bpfline]\nset = { limt = 3, limit = 2 }\n")
    words = (
        "pyproject.toml: warning: tool.bpfline.set.limt: no object has a global variable of that name; "
        "did you mean 'limit'?"
    )
    for command in ("build", "build", "verify"):
        said = project.doit(command).stderr
        assert said.count("warning: ") == said.count(words) == 1


def test_what_is_not_built_may_have_the_variable_of_a_projects_table(project: Project) -> None:
    project.write("pyproject.toml", "[tool.bpfline]\nset = { limit = 2 }\n")
    assert "warning: " not in project.build("build:y").stderr
    project.write("bpf_src/x.bpf.c", "no C")
    assert "tool.bpfline.set" not in project.build(status=1).stderr


def test_an_unknown_name_in_an_objects_own_table_fails_its_build(project: Project) -> None:
    project.write("pyproject.toml", "[tool.bpfline.object.x]\nset = { limt = 1 }\n")
    built = project.build(status=3)
    assert "there is no global variable limt\n  help: near it: limit" in built.stderr
    assert "config:y" in built.ran


def test_a_value_that_the_variable_cannot_hold_is_refused(project: Project) -> None:
    assert (
        "limit is int, which 'many' is not" in project.doit("verify", "--set", "limit=many", status=3).stderr
    )


@pytest.mark.parametrize("words", [["--set", "limit"], ["--set"], ["--set=limit"]])
def test_what_is_no_value_is_refused(project: Project, words: list[str]) -> None:
    assert "is not NAME=VALUE" in project.doit("verify", *words, status=3).stderr
