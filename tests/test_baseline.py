# SPDX-License-Identifier: Apache-2.0
"""verifier-baseline.json: what it holds, and what verify makes of it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bpfline import baseline, failure
from bpfline.baseline import Key
from bpfline.errors import Problem
from bpfline.gate import judge
from bpfline.settings import BaselineSettings, Settings
from conftest import Project
from verdicts import HEADERS, loops, refused, verdict

FILE = "verifier-baseline.json"
HERE = Key("6.1.0", "x86_64", "14.0.6", "v3")
GOOD = verdict("x/good")
BAD = verdict("x/bad", verdict="refused", errno="EACCES")


def made(*rows: object, objects: tuple[str, ...] = ("x",)) -> baseline.Baseline:
    return baseline.updated(None, rows, "x86_64", objects)  # type: ignore[arg-type]


# --- The file ----------------------------------------------------------------------------------------


def test_a_baseline_is_one_sorted_line_for_each_program_and_holds_no_noise() -> None:
    text = baseline.encode(made(GOOD, BAD)).decode()
    assert text == (
        '{\n "schema": 1,\n "baselines": [\n'
        '  {"kernel": "6.1.0", "machine": "x86_64", "clang": "14.0.6", "mcpu": "v3", "programs": {\n'
        '   "x/bad": {"verdict": "refused", "errno": "EACCES"},\n'
        '   "x/good": {"verdict": "accepted", "processed_insns": 1000, "total_states": 10, "peak_states": 5, '
        '"stack_depth": 64, "xlated_bytes": 800, "jited_bytes": 500}\n'
        "  }}\n ]\n}\n"
    )
    again = verdict("x/good", verification_usec=7, cached=True, tag="a" * 16, log="x.log", key="k")
    assert baseline.encode(made(BAD, again)).decode() == text


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    rows = [GOOD, BAD, verdict("net/x/prog", mcpu="v4", jited_bytes=None), verdict("x/é", kernel="5.10")]
    rows += [verdict("x/two", section="tracepoint/a/b"), verdict("x/two", section="socket")]
    written = baseline.encode(made(*rows, objects=("x", "net/x")))
    (tmp_path / FILE).write_bytes(written)
    read = baseline.read(tmp_path / FILE)
    assert read is not None and baseline.encode(read) == written
    assert set(read[HERE]) == {"x/good", "x/bad", "x/two", "x/two (socket)"}
    assert (read[HERE]["x/two (socket)"].section, read[HERE]["x/two (socket)"].object) == ("socket", "x")
    assert read[HERE]["x/good"].processed_insns == 1000


def test_entries_of_other_keys_and_of_what_was_not_verified_are_kept() -> None:
    old = made(
        verdict("x/good", kernel="5.10"), verdict("x/gone"), verdict("y/prog"), verdict("z/prog"),
        objects=("x", "y", "z"),
    )  # fmt: skip
    new = baseline.updated(old, [GOOD], "x86_64", ("x", "y"))
    assert {key.kernel: list(rows) for key, rows in new.items()} == {
        "5.10": ["x/good"],
        "6.1.0": ["y/prog", "x/good"],
    }


def test_a_program_that_could_not_be_tried_keeps_the_figures_of_before() -> None:
    new = baseline.updated(made(GOOD), [verdict("x/good", verdict="error")], "x86_64", ("x",))
    assert new == made(GOOD)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<<<<<<< HEAD\n",
        "[]",
        "7",
        '{"schema": 2, "baselines": []}',
        '{"schema": 1}',
        '{"schema": 1, "baselines": {"a": 1}}',
        '{"schema": 1, "baselines": [{"kernel": 6}]}',
        baseline.encode(made(GOOD)).decode().replace("1000", '"many"'),
        baseline.encode(made(GOOD)).decode().replace("1000", "true"),
        baseline.encode(made(GOOD)).decode().replace('"accepted"', "null"),
        baseline.encode(made(GOOD)).decode().replace("x/good", "good"),
        baseline.encode(made(GOOD)).decode().replace('{"verdict', '["verdict').replace("500}", "500]"),
        "[" * 100_000,
    ],
)
def test_a_damaged_file_is_a_problem_in_two_lines(text: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(Problem, match="is not a baseline") as caught:
        baseline.read(tmp_path / FILE)
    assert len(str(caught.value).splitlines()) == 2


def test_the_same_key_twice_as_a_merge_may_leave_it_is_a_problem(tmp_path: Path) -> None:
    document = json.loads(baseline.encode(made(GOOD)))
    document["baselines"] *= 2
    (tmp_path / FILE).write_text(json.dumps(document))
    with pytest.raises(Problem, match=r"two baselines for kernel 6\.1\.0"):
        baseline.read(tmp_path / FILE)


def test_no_file_is_no_baseline(tmp_path: Path) -> None:
    assert baseline.read(tmp_path / FILE) is None


# --- What it is compared with ----------------------------------------------------------------------


def failures(now: int, **shares: float) -> list[str]:
    """What fails of a program that had 1000 instructions and 10 states, and has now."""
    since = baseline.since(made(GOOD), [row := verdict("x/good", processed_insns=now)], "x86_64", ("x",))
    gate = judge([row], Settings(baseline=BaselineSettings(**shares)), since, ("x",))
    assert gate.status == (1 if gate.rows[0].failures else 0)
    assert {each.rule for each in gate.rows[0].failures} <= {failure.GROWTH}
    return list(map(str, gate.rows[0].failures))


def test_growth_up_to_the_share_passes_and_above_it_fails() -> None:
    assert failures(1100) == failures(900) == failures(1) == []
    assert failures(1101) == [
        "grew by more than 10 % (baseline.growth): processed_insns 1000 to 1101 (+101, +10.1 %)"
    ]
    assert failures(1101, growth=20) == failures(1101, processed_insns=20) == []
    assert failures(1001, growth=0) and failures(1000, growth=0) == []
    assert "(baseline.processed_insns)" in failures(1006, processed_insns=0.5)[0]
    assert failures(1200, total_states=50)


def test_growth_from_nothing_counts_as_growth_from_one() -> None:
    before = made(verdict("x/good", total_states=0))
    for now, fails in ((0, False), (1, False), (2, True)):
        row = verdict("x/good", total_states=now)
        since = baseline.since(before, [row], "x86_64", ("x",))
        gate = judge([row], Settings(baseline=BaselineSettings(growth=100)), since, ("x",))
        assert bool(gate.rows[0].failures) is fails


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (
            verdict("x/good", kernel="6.2"),
            "it is of 6.1.0 (x86_64), and figures of different kernels are not compared",
        ),
        (verdict("x/good", clang="19.1.7"), "for this kernel it has clang 14.0.6, -mcpu=v3"),
        (verdict("x/good", mcpu="v4"), "for this kernel it has clang 14.0.6, -mcpu=v3"),
    ],
)
def test_another_kernel_clang_or_mcpu_is_named_and_not_compared(row: object, words: str) -> None:
    found = baseline.since(made(GOOD), [row], "x86_64", ("x",))  # type: ignore[list-item]
    assert found.changes == () and found.of == {}
    (note,) = found.notes
    assert words in note
    assert baseline.since(made(GOOD), [GOOD], "aarch64", ("x",)).changes == ()


# --- Through doit ------------------------------------------------------------------------------------

kernel = pytest.mark.kernel


def differences(built_stdout: str) -> list[list[str]]:
    """The lines below "since verifier-baseline.json:", by their cells; [] where nothing changed."""
    _, _, lines = built_stdout.partition(f"since {FILE}:\n")
    return [line.split() for line in lines.splitlines()[1:]]


@kernel
def test_verify_says_that_there_is_no_baseline_yet_until_doit_baseline_wrote_one(project: Project) -> None:
    project.write("bpf_src/x.bpf.c", HEADERS + loops(10) + refused("bad"))
    note = f"{FILE}: note: there is no baseline yet; doit baseline makes it"
    assert note in project.doit("verify", status=1).stderr
    built = project.doit("baseline")
    assert f"{FILE}: 1 accepted, 1 refused\n" in built.stderr
    first = project.path(FILE).read_bytes()
    document = json.loads(first)
    (entry,) = document["baselines"]
    assert (entry["kernel"], entry["machine"]) == (os.uname().release, os.uname().machine)
    assert (entry["mcpu"], set(entry["programs"])) == ("v3", {"x/loops", "x/bad"})
    assert entry["programs"]["x/bad"] == {"verdict": "refused", "errno": "EACCES"}
    verified = project.doit("verify", "--again", status=1)
    assert "note" not in verified.stderr and differences(verified.stdout) == []
    project.doit("baseline")
    assert project.path(FILE).read_bytes() == first
    project.doit("clean")
    assert project.path(FILE).read_bytes() == first


@kernel
def test_doit_baseline_gives_what_it_did_as_json(project: Project) -> None:
    project.write("bpf_src/x.bpf.c", HEADERS + loops(10) + refused("bad"))
    first = project.doit("baseline", "--json")
    assert json.loads(first.stdout) == {
        "schema": 1, "file": FILE, "programs": {"accepted": 1, "refused": 1}, "changes": [], "untried": []
    }  # fmt: skip
    assert "1 accepted" not in first.stderr
    project.write("bpf_src/x.bpf.c", HEADERS + loops(20) + refused("bad"))
    document = json.loads(project.doit("--json", "baseline").stdout)  # options stand anywhere
    (change,) = document["changes"]
    assert (change["name"], change["kind"], change["before"]) == ("x/loops", "figures", "accepted")
    (delta,) = (each for each in change["deltas"] if each["figure"] == "processed_insns")
    assert delta["after"] > delta["before"] and delta["percent"] > 0
    assert project.doit("baseline").stdout == ""


@kernel
def test_verify_shows_what_changed_and_fails_on_growth_and_new_refusals(project: Project) -> None:
    project.write(
        "bpf_src/x.bpf.c",
        HEADERS + loops(10) + loops(3, "breaks") + loops(3, "leaves") + refused("mends"),
    )
    project.doit("baseline")
    project.write(
        "bpf_src/x.bpf.c",
        HEADERS + loops(20) + refused("breaks") + loops(3, "comes") + loops(3, "mends"),
    )
    built = project.doit("verify", status=1)
    shown = differences(built.stdout)
    assert shown[:4] == [
        ["x/breaks", "verdict", "accepted", "refused", "(EACCES)", "newly", "refused"],
        ["x/mends", "verdict", "refused", "(EACCES)", "accepted", "newly", "accepted"],
        ["x/comes", "verdict", "-", "accepted", "new"],
        ["x/leaves", "verdict", "accepted", "-", "gone"],
    ]
    name, figure, before, after, moved, percent = shown[4]
    assert (name, figure) == ("x/loops", "processed_insns")
    assert int(moved) == int(after) - int(before) > 0
    assert float(percent) == pytest.approx(100 * int(moved) / int(before), abs=0.05)
    assert "x/breaks: error: is newly refused: it is accepted in verifier-baseline.json" in built.stderr
    assert f"(baseline.growth): processed_insns {before} to {after} ({moved}, {percent} %)" in built.stderr
    assert "help: where that is meant: doit baseline" in built.stderr

    project.write("bpf_src/x.bpf.c", HEADERS + loops(20) + loops(3, "comes") + loops(3, "mends"))
    project.write("pyproject.toml", "[tool.bpfline.baseline]\ngrowth = 200\n")
    built = project.doit("verify")
    assert "error" not in built.stderr
    assert ["x/loops", "processed_insns", before, after, moved, percent] in differences(built.stdout)
    project.doit("baseline")
    assert differences(project.doit("verify").stdout) == []


@kernel
def test_a_source_that_does_not_compile_leaves_the_baseline_as_it_was(project: Project) -> None:
    project.write("bpf_src/x.bpf.c", HEADERS + loops(10))
    project.doit("baseline")
    before = project.path(FILE).read_bytes()
    project.write("bpf_src/x.bpf.c", HEADERS + loops(20))
    project.write("bpf_src/y.bpf.c", "int main(\n")
    project.doit("baseline", status=1)
    assert project.path(FILE).read_bytes() == before


@kernel
def test_programs_of_objects_that_were_not_verified_are_not_gone(project: Project) -> None:
    project.write("bpf_src/x.bpf.c", HEADERS + loops(10))
    project.write("bpf_src/y.bpf.c", HEADERS + loops(10))
    project.doit("baseline")
    assert differences(project.doit("verify:x").stdout) == []
    project.path("bpf_src/y.bpf.c").unlink()
    assert [row[0] for row in differences(project.doit("verify:x").stdout)] == ["y/loops"]


@kernel
def test_figures_of_another_kernel_are_refused_and_kept(project: Project) -> None:
    project.write("bpf_src/x.bpf.c", HEADERS + loops(10))
    project.doit("baseline")
    text = project.path(FILE).read_text().replace(os.uname().release, "5.10.0-elsewhere")
    project.write(FILE, text)
    project.write("bpf_src/x.bpf.c", HEADERS + loops(100))
    built = project.doit("verify")
    assert differences(built.stdout) == []
    assert "it is of 5.10.0-elsewhere (" in built.stderr
    assert "figures of different kernels are not compared; doit baseline adds it" in built.stderr
    project.doit("baseline")
    kernels = [entry["kernel"] for entry in json.loads(project.path(FILE).read_text())["baselines"]]
    assert kernels == sorted(["5.10.0-elsewhere", os.uname().release])
    assert "note" not in project.doit("verify").stderr


@kernel
def test_a_damaged_baseline_costs_no_verdict_and_ends_with_2(project: Project) -> None:
    project.write("bpf_src/x.bpf.c", HEADERS + loops(10))
    project.write(FILE, "<<<<<<< ours\n")
    built = project.doit("verify", status=2)
    assert "x/loops  accepted" in built.stdout
    assert f"{FILE}: error: is not a baseline" in built.stderr
    project.doit("baseline", status=2)
    assert project.path(FILE).read_text() == "<<<<<<< ours\n"


@kernel
def test_constants_of_the_command_line_are_not_compared(project: Project) -> None:
    project.write(
        "bpf_src/x.bpf.c", HEADERS + "const volatile int turns = 3;\n" + loops(10).replace("10", "turns")
    )
    project.doit("baseline")
    built = project.doit("verify", "--set=turns=900")
    assert f"{FILE}: note: not compared: --set " in built.stderr
    assert differences(built.stdout) == []
