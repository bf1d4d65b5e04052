# SPDX-License-Identifier: Apache-2.0
"""Objects of which not every program can be made: what doit build and doit verify say of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conftest import Project
from verdicts import HEADERS, loops, refused

pytestmark = pytest.mark.kernel

BAD = 'SEC("mine") int bad(void *ctx) { return 0; }\n'
WORDS = 'program bad: SEC("mine") is not known'


@pytest.fixture
def mixed(project: Project) -> Project:
    project.write("bpf_src/x.bpf.c", HEADERS + loops(3) + refused("wrong") + BAD)
    project.write("bpf_src/y.bpf.c", HEADERS + loops(3))
    return project


def rows(project: Project, *args: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(project.doit("verify", "--json", *args, status=2).stdout)[
        "results"
    ]
    return found


def test_a_program_that_cannot_be_made_is_an_error_and_its_siblings_are_verified(mixed: Project) -> None:
    for _ in range(2):
        found = rows(mixed)
        assert [(row["object"], row["program"], row["section"], row["verdict"]) for row in found] == [
            ("x", "loops", "socket", "accepted"),
            ("x", "wrong", "socket", "refused"),
            ("x", "bad", "mine", "error"),
            ("y", "loops", "socket", "accepted"),
        ]
        assert found[2]["message"] == WORDS
        assert found[1]["diagnosis"]["place"]["line"] == 10
        assert {(row["clang"], row["mcpu"]) for row in found} == {(found[3]["clang"], found[3]["mcpu"])}
    reported = json.loads(mixed.path("build/report/verdicts.json").read_bytes())
    assert WORDS in [row["message"] for row in reported["results"]]


def test_rows_stand_in_the_order_of_the_programs(mixed: Project) -> None:
    mixed.write("bpf_src/x.bpf.c", HEADERS + BAD + loops(3))
    found = [(row["object"], row["program"]) for row in rows(mixed)]
    assert found == [("x", "bad"), ("x", "loops"), ("y", "loops")]


def test_the_table_shows_it(mixed: Project) -> None:
    out = mixed.doit("verify", status=2).stdout
    assert WORDS in out and out.count("accepted") == 2


def test_a_build_fails_and_says_why_each_time(mixed: Project) -> None:
    for _ in range(2):
        built = mixed.build(status=1)
        assert built.stderr.count(WORDS) == 1
    assert not mixed.path("build/x/loader.json").exists()
    assert mixed.doit("build", "verify:y", "--json", status=1).stdout.count('"object"') == 1


def test_an_object_that_was_well_before_is_judged_by_what_it_is_now(mixed: Project) -> None:
    mixed.write("bpf_src/x.bpf.c", HEADERS + loops(3) + refused("wrong"))
    mixed.doit("verify", status=1)
    mixed.write("bpf_src/x.bpf.c", HEADERS + "\n\n" + loops(3) + refused("wrong") + BAD)
    wrong = next(row for row in rows(mixed) if row["program"] == "wrong")
    assert wrong["diagnosis"]["place"]["line"] == 12


def test_an_object_that_does_not_compile_has_a_row_that_says_so_and_clangs_words_stay(mixed: Project) -> None:
    mixed.write("bpf_src/x.bpf.c", "int broken(")
    for _ in range(2):
        said = mixed.doit("verify", "--json", status=1)
        broken, good = json.loads(said.stdout)["results"]
        assert (broken["object"], broken["program"], broken["verdict"]) == ("x", "", "error")
        assert broken["message"] == (
            "bpf_src/x.bpf.c: does not compile; ./bpf_src/x.bpf.c:1:12: error: expected parameter declarator"
        )
        assert (good["object"], good["verdict"]) == ("y", "accepted")
        assert "3 errors generated." in said.stderr
    assert "x        error " in mixed.doit("verify", status=1).stdout
    for name in ("verdicts.json", "junit.xml", "summary.md"):
        assert "expected parameter declarator" in mixed.path(f"build/report/{name}").read_text()


def test_an_object_that_was_not_asked_for_has_no_row(mixed: Project) -> None:
    mixed.write("bpf_src/x.bpf.c", "int broken(")
    (row,) = json.loads(mixed.doit("verify:y", "--json").stdout)["results"]
    assert row["object"] == "y"


def test_what_stands_in_the_way_of_each_object_is_in_its_row(mixed: Project) -> None:
    mixed.write("bpf_src/x.bpf.c", "#include <no/such.h>\n")
    mixed.write("bpf_src/z.bpf.c", HEADERS + "int limit;\n" + loops(3))
    mixed.write(
        "pyproject.toml",
        '[tool.bpfline.object.y.set]\nlimt = 1\n[tool.bpfline.object.w]\nlink = ["x.bpf.c"]\n',
    )
    said = mixed.doit("verify", "--json", "--set", "limit=z", status=3)
    assert {
        row["object"]: row["message"].partition(";")[0] for row in json.loads(said.stdout)["results"]
    } == {
        "w": "bpf_src/x.bpf.c: does not compile",
        "y": "pyproject.toml: tool.bpfline.object.y.set.limt: there is no global variable limt",
        "z": "--set limit=z for z: limit is int, which 'z' is not",
    }


def test_a_baseline_is_compared_with_what_was_verified_alone(mixed: Project) -> None:
    mixed.write("bpf_src/x.bpf.c", HEADERS + loops(3))
    mixed.write("pyproject.toml", '[tool.bpfline.program."x/loops"]\nbudget.processed_insns = 1000\n')
    mixed.doit("baseline")
    mixed.write("bpf_src/x.bpf.c", "int broken(")
    said = mixed.doit("verify", status=1)
    assert "gone" not in said.stdout and "is for no program" not in said.stderr
