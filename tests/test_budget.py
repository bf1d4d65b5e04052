# SPDX-License-Identifier: Apache-2.0
"""Budgets, and programs that are to be refused: in numbers, then through doit and the running kernel."""

from __future__ import annotations

import json

import pytest

from bpfline import budget
from bpfline.program_lines import Place
from bpfline.report.results import declared
from bpfline.settings import BudgetSettings, ProgramSettings, Settings
from conftest import Project
from verdicts import HEADERS, loops, refused, verdict

FIGURES = ("processed_insns", "total_states", "peak_states", "stack_depth", "xlated_bytes", "jited_bytes")


@pytest.mark.parametrize("figure", FIGURES)
def test_each_figure_may_be_as_large_as_its_budget_and_no_larger(figure: str) -> None:
    row = verdict()
    value = getattr(row, figure)
    assert budget.broken(row, Settings(budget=BudgetSettings(**{figure: value}))) == []
    (found,) = budget.broken(row, Settings(budget=BudgetSettings(**{figure: value - 1})))
    assert found == budget.Broken(f"budget.{figure}", figure, value, value - 1)
    assert str(found).startswith(
        f"{figure} is {value}, over the budget of {value - 1} (budget.{figure}) by 1 ("
    )


def test_the_share_of_the_kernels_limit_is_of_a_million_instructions() -> None:
    settings = Settings(budget=BudgetSettings(limit_share=85))
    assert budget.broken(verdict(processed_insns=850_000), settings) == []
    (found,) = budget.broken(verdict(processed_insns=850_100), settings)
    assert str(found) == (
        "processed_insns is 85.01 % of the kernel's limit of 1,000,000, "
        "over the budget of 85 % (budget.limit_share)"
    )


def test_a_programs_own_budget_takes_the_place_of_the_projects_key_by_key() -> None:
    settings = Settings(
        budget=BudgetSettings(processed_insns=10, stack_depth=10),
        program={"x/prog": ProgramSettings(budget=BudgetSettings(processed_insns=5000))},
    )
    assert [each.setting for each in budget.broken(verdict("x/prog"), settings)] == ["budget.stack_depth"]
    assert len(budget.broken(verdict("x/other"), settings)) == 2
    settings = Settings(program={"x/prog": ProgramSettings(budget=BudgetSettings(stack_depth=0))})
    (found,) = budget.broken(verdict("x/prog"), settings)
    assert str(found) == 'stack_depth is 64, over the budget of 0 (program."x/prog".budget.stack_depth) by 64'


def test_figures_of_a_refused_program_break_no_budget() -> None:
    settings = Settings(budget=BudgetSettings(processed_insns=1))
    assert budget.broken(verdict(verdict="refused", processed_insns=1_000_001), settings) == []


def test_a_budget_without_a_figure_is_known_as_not_checked() -> None:
    settings = Settings(budget=BudgetSettings(jited_bytes=1, processed_insns=1, limit_share=1))
    row = verdict(jited_bytes=None, processed_insns=None)
    assert budget.broken(row, settings) == []
    assert budget.unknown(row, settings) == ["processed_insns", "jited_bytes"]


# --- Through doit ------------------------------------------------------------------------------------


@pytest.mark.kernel
def test_a_broken_budget_fails_verify_with_the_figure_the_limit_and_what_changed(project: Project) -> None:
    project.write("bpf_src/x.bpf.c", HEADERS + loops(10))
    project.write("pyproject.toml", "[tool.bpfline.budget]\nprocessed_insns = 100\n")
    project.doit("verify")
    project.doit("baseline")
    project.write("bpf_src/x.bpf.c", HEADERS + loops(100))
    project.write(
        "pyproject.toml",
        "[tool.bpfline.budget]\nprocessed_insns = 100\n[tool.bpfline.baseline]\ngrowth = 1e6\n",
    )
    built = project.doit("verify", "--json", status=1)
    (row,) = json.loads(built.stdout)["results"]
    value = row["processed_insns"]
    assert value > 100 and row["verdict"] == "accepted"
    assert row["broken"] == [
        {"setting": "budget.processed_insns", "figure": "processed_insns", "value": value, "limit": 100}
    ]
    assert f"x/loops: error: processed_insns is {value}, over the budget of 100 " in built.stderr
    before = row["change"]["deltas"][0]["before"]
    assert f"  since verifier-baseline.json: processed_insns {before} to {value} (+" in built.stderr


@pytest.mark.kernel
def test_without_a_baseline_a_broken_budget_says_so_and_its_own_limit_mends_it(project: Project) -> None:
    project.write("bpf_src/x.bpf.c", HEADERS + loops(100) + loops(10, "few"))
    project.write("pyproject.toml", "[tool.bpfline.budget]\nprocessed_insns = 100\n")
    built = project.doit("verify", status=1)
    assert built.stderr.count(": error: ") == 1
    assert "  there is no baseline that tells what changed" in built.stderr
    project.write(
        "pyproject.toml",
        "[tool.bpfline.budget]\nprocessed_insns = 100\n"
        '[tool.bpfline.program."x/loops"]\nbudget.processed_insns = 10_000\n',
    )
    assert "error" not in project.doit("verify").stderr


@pytest.mark.kernel
@pytest.mark.parametrize("code", ["", 'code = "EACCES"\n', 'code = "BPF002"\n'])
def test_a_program_that_is_to_be_refused_and_is_passes(project: Project, code: str) -> None:
    project.write("bpf_src/x.bpf.c", HEADERS + refused("bad") + loops(1))
    project.write("pyproject.toml", f'[tool.bpfline.program."x/bad"]\nexpect = "refused"\n{code}')
    built = project.doit("verify")
    assert [line.split()[1] for line in built.stdout.splitlines() if line.startswith("x/")] == [
        "refused", "accepted",
    ]  # fmt: skip
    assert "as expected" in built.stdout and "not as expected" not in built.stdout
    rows = json.loads(project.doit("verify", "--json").stdout)["results"]
    assert [row["expected"] for row in rows] == [True, False]
    report = json.loads(project.path("build/report/verdicts.json").read_text())["results"]
    assert [row["outcome"] for row in report] == ["passed", "passed"]


@pytest.mark.kernel
def test_run_leaves_out_what_is_to_be_refused_and_a_refusal_ends_it_in_words(project: Project) -> None:
    here = 'SEC("tp/sched/sched_switch") int here(void *ctx) { return 0; }\n'
    project.write("bpf_src/x.bpf.c", HEADERS + refused("bad") + here)
    ended = project.doit("run", "--for", "0.1", status=1).stderr.splitlines()
    assert ended[-2:] == [
        "not every program could be loaded: nothing is attached",
        "doit verify tells why, at the line of the source",
    ]
    project.write("pyproject.toml", '[tool.bpfline.program."x/bad"]\nexpect = "refused"\n')
    built = project.doit("run", "--for", "0.1")
    assert 'x/bad: note: is to be refused (expect = "refused"), and is not loaded' in built.stderr
    assert "attached x/here" in built.stderr


@pytest.mark.kernel
def test_a_program_that_is_to_be_refused_fails_when_it_is_accepted(project: Project) -> None:
    project.write("bpf_src/x.bpf.c", HEADERS + loops(1))
    project.write("pyproject.toml", '[tool.bpfline.program."x/loops"]\nexpect = "refused"\n')
    built = project.doit("verify", status=1)
    assert "x/loops: error: is accepted, and was to be refused" in built.stderr


@pytest.mark.kernel
def test_no_budget_and_no_growth_count_for_a_program_that_is_to_be_refused(project: Project) -> None:
    expects = '[tool.bpfline.program."x/loops"]\nexpect = "refused"\n'
    project.write("bpf_src/x.bpf.c", HEADERS + loops(1))
    project.doit("baseline")
    project.write("bpf_src/x.bpf.c", HEADERS + loops(50))
    project.write("pyproject.toml", "[tool.bpfline.budget]\nprocessed_insns = 1\n")
    assert "processed_insns is" in project.doit("verify", status=1).stderr
    project.write("pyproject.toml", f"[tool.bpfline.budget]\nprocessed_insns = 1\n{expects}")
    built = project.doit("verify", status=1)
    assert [text for text in built.stderr.splitlines() if ": error: " in text] == [
        'x/loops: error: is accepted, and was to be refused (expect = "refused")'
    ]
    (run,) = json.loads(project.path("build/report/verdicts.sarif").read_text())["runs"]
    assert [each["ruleId"] for each in run["results"]] == ["unexpectedly-accepted"]


@pytest.mark.kernel
@pytest.mark.parametrize("code", ["BPF001", "E2BIG"])
def test_a_refusal_for_another_reason_than_asked_for_fails(project: Project, code: str) -> None:
    project.write("bpf_src/x.bpf.c", HEADERS + refused("bad"))
    project.write("pyproject.toml", f'[tool.bpfline.program."x/bad"]\nexpect = "refused"\ncode = "{code}"\n')
    built = project.doit("verify", status=1)
    words = f"x/bad: error: is refused with BPF002 and EACCES, and was to be with {code}"
    assert words in built.stderr
    assert "not as expected" in built.stdout
    assert words in project.doit("verify", "--log", "none", status=1).stderr  # of the message alone


@pytest.mark.kernel
def test_a_table_for_a_program_that_is_not_there_is_said_and_one_of_what_was_not_verified_is_not(
    project: Project,
) -> None:
    project.write("bpf_src/x.bpf.c", HEADERS + loops(1))
    project.write("bpf_src/y.bpf.c", HEADERS + loops(1))
    project.write(
        "pyproject.toml",
        '[tool.bpfline.program."x/lops"]\nexpect = "refused"\n'
        '[tool.bpfline.program."y/loops"]\nbudget.stack_depth = 512\n'
        '[tool.bpfline.program."z/loops"]\nbudget.stack_depth = 512\n',
    )
    warned = [line for line in project.doit("verify:x").stderr.splitlines() if "warning" in line]
    assert warned == [
        'pyproject.toml: warning: [tool.bpfline.program."x/lops"] is for no program',
        'pyproject.toml: warning: [tool.bpfline.program."z/loops"] is for no program',
    ]


def test_a_function_s_place_is_where_its_name_stands_and_not_its_first_instruction() -> None:
    text = [
        "/* main(x) */",
        'SEC("tc")',
        "int BPF_PROG(main, struct x *x)",
        "{",
        "",
        "\tint i = main2(1);",
        "}",
    ]
    first = Place("x.c", 6, 10, text[5], "main")
    assert declared(first, "main", lambda _: text) == Place("x.c", 3, 14, text[2], "main")
    assert declared(first, "other", lambda _: text) == first
    assert declared(first, "main", lambda _: ()) == first
