# SPDX-License-Identifier: Apache-2.0
"""bpfline compare A B: what changed between two results, whatever they were saved as."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import bpfline
import bpfline_loader
from bpfline import compare, compare_files
from bpfline.errors import Problem
from bpfline_loader.verdict import Verdict, encode
from conftest import Project
from verdicts import HEADERS, loops, refused, verdict

PACKAGES = os.pathsep.join(str(Path(package.__path__[0]).parent) for package in (bpfline, bpfline_loader))


def bpfline_compare(*args: object, status: int = 0) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run(
        [sys.executable, "-m", "bpfline", "compare", *map(str, args)],
        env={**os.environ, "PYTHONPATH": PACKAGES}, capture_output=True, text=True,
    )  # fmt: skip
    assert "Traceback" not in ended.stderr, ended.stderr
    assert ended.returncode == status, ended.stdout + ended.stderr
    return ended


def saved(path: Path, *rows: Verdict) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(rows))
    return path


def between(before: Sequence[Verdict], after: Sequence[Verdict]) -> list[compare.Change]:
    return compare.between(compare.by_name(before), compare.by_name(after))


# --- Changes -----------------------------------------------------------------------------------------


def test_a_change_has_its_kind_both_verdicts_and_each_figure() -> None:
    bad = {"verdict": "refused", "errno": "EACCES"}
    before = [
        verdict("x/same"), verdict("x/grows"), verdict("x/breaks"), verdict("x/mends", **bad),
        verdict("x/leaves"), verdict("x/lacks"), verdict("x/still", **bad),
    ]  # fmt: skip
    after = [
        verdict("x/same", verification_usec=9, tag="b" * 16), verdict("x/grows", stack_depth=96),
        verdict("x/breaks", **bad), verdict("x/mends"), verdict("x/comes"),
        verdict("x/lacks", verdict="unsupported"), verdict("x/still", verdict="refused", errno="E2BIG"),
    ]  # fmt: skip
    assert [(change.name, change.kind, change.before, change.after) for change in between(before, after)] == [
        ("x/breaks", "newly refused", "accepted", "refused (EACCES)"),
        ("x/mends", "newly accepted", "refused (EACCES)", "accepted"),
        ("x/lacks", "verdict", "accepted", "unsupported"),
        ("x/still", "verdict", "refused (EACCES)", "refused (E2BIG)"),
        ("x/comes", "new", None, "accepted"),
        ("x/leaves", "gone", "accepted", None),
        ("x/grows", "figures", "accepted", "accepted"),
        ("x/same", "same", "accepted", "accepted"),
    ]
    (grown,) = (change for change in between(before, after) if change.name == "x/grows")
    assert grown.changed == (compare.Delta("stack_depth", 64, 96, 50.0),)
    assert str(grown.changed[0]) == "stack_depth 64 to 96 (+32, +50.0 %)"


def test_the_largest_change_of_a_figure_comes_first_whichever_way_it_goes() -> None:
    names = {"x/little": 1010, "x/shrinks": 400, "x/doubles": 2000, "x/grows": 1300}
    after = [verdict(name, processed_insns=insns) for name, insns in names.items()]
    assert [change.name for change in between([verdict(name) for name in names], after)] == [
        "x/doubles", "x/shrinks", "x/grows", "x/little",
    ]  # fmt: skip


def test_figures_that_one_side_lacks_and_those_of_refused_programs_are_not_compared() -> None:
    (change,) = between([verdict(jited_bytes=None)], [verdict(jited_bytes=7)])
    assert change.kind == "same" and "jited_bytes" not in [delta.figure for delta in change.deltas]
    (change,) = between([verdict(verdict="refused")], [verdict(verdict="refused", processed_insns=9)])
    assert (change.kind, change.deltas) == ("same", ())


def test_programs_of_one_name_are_told_apart_by_their_sections() -> None:
    rows = [verdict("x/p", section="socket"), verdict("x/p", section="xdp")]
    assert set(compare.by_name(rows)) == {"x/p", "x/p (xdp)"}


# --- Files -------------------------------------------------------------------------------------------


def test_every_form_of_the_same_result_compares_as_the_same(tmp_path: Path) -> None:
    rows = [verdict("x/good"), verdict("net/y/bad", verdict="refused", errno="EACCES")]
    saved(tmp_path / "build/x/verifier/6.1.0/verdict.json", rows[0])
    saved(tmp_path / "build/net/y/verifier/6.1.0/verdict.json", rows[1])
    (tmp_path / "more.json").write_text(
        json.dumps({"schema": 1, "results": [{**dataclasses.asdict(row), "outcome": "x"} for row in rows]})
    )
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(field.name for field in dataclasses.fields(Verdict))
    writer.writerows(dataclasses.astuple(row) for row in rows)
    (tmp_path / "all.csv").write_text(out.getvalue())
    forms = ["build", "more.json", "all.csv", str(saved(tmp_path / "all.json", *rows))]
    for form in forms:
        found = compare_files.compare(
            compare_files.read(tmp_path / form), compare_files.read(tmp_path / forms[0]), across=False
        )
        assert [(change.kind, len(change.deltas)) for change in found] == [("same", 0), ("same", 6)]


def test_veristats_csv_is_read_in_its_own_words(tmp_path: Path) -> None:
    path = tmp_path / "v.csv"
    path.write_text(
        "file_name,prog_name,verdict,duration,total_insns,total_states,peak_states\n"
        "x.bpf.o@6.1.0,good,success,17,1000,10,5\nx%2C1.o@6.1.0,bad,failure,9,3,0,0\n"
    )
    first, second = compare_files.read(path).rows
    assert (first.object, first.program, first.kernel, first.verdict) == ("x", "good", "6.1.0", "accepted")
    assert (first.processed_insns, first.total_states, first.peak_states) == (1000, 10, 5)
    assert (second.object, second.verdict, second.stack_depth) == ("x,1", "refused", None)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "neither JSON nor a CSV"),
        ("<html>", "neither JSON nor a CSV"),
        ("{", "holds no verdicts"),
        ('{"schema": 2, "results": []}', "schema 2"),
        ('{"schema": 1, "results": [{}]}', "no 'object'"),
        ('{"schema": 1, "results": 7}', "holds no verdicts"),
        (encode([verdict()]).decode().replace("1000", '"1000"'), "'1000' is no figure"),
        (encode([verdict()]).decode().replace("1000", "-1000"), "-1000 is no figure"),
        (encode([verdict()]).decode().replace("1000", "1" + 400 * "0"), "is no figure"),
        (encode([verdict()]).decode().replace('"accepted"', '"weird"'), "'weird' is no verdict"),
        (encode([verdict()]).decode().replace('"schema": 1', '"schema": true'), "schema True"),
        (encode([verdict()]).decode().replace('"6.1.0"', "6.1"), "6.1 is no text"),
        (encode([verdict(), verdict()]).decode(), "has two verdicts for x/prog on 6.1.0"),
        ("object,program\nx,y\n", "no 'section'"),
        ("\x00\xff", "holds no verdicts"),
    ],
)
def test_what_holds_no_verdicts_is_said(text: str, what: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_text(text, encoding="latin-1")
    with pytest.raises(Problem, match=what) as caught:
        compare_files.read(tmp_path / "a")
    assert len(str(caught.value).splitlines()) == 2


def test_different_kernels_are_named_and_compared_only_with_across(tmp_path: Path) -> None:
    a = saved(tmp_path / "a.json", verdict(kernel="6.1.0"))
    b = saved(tmp_path / "b.json", verdict(kernel="6.18.2", processed_insns=2000))
    ended = bpfline_compare(a, b, status=3)
    assert (ended.stdout, "--across" in ended.stderr) == ("", True)
    assert "A is of kernel 6.1.0, B of kernel 6.18.2" in ended.stderr
    lines = bpfline_compare(a, b, "--across").stdout.splitlines()
    assert "kernel 6.1.0" in lines[0] and "kernel 6.18.2" in lines[1]
    assert lines[2] == "the kernels differ: what changed may be theirs"
    assert lines[-1].split() == ["x/prog", "processed_insns", "1000", "2000", "+1000", "+100.0"]


def test_of_several_kernels_those_that_both_have_are_compared_and_the_others_named(tmp_path: Path) -> None:
    a = saved(tmp_path / "a.json", *(verdict(kernel=kernel) for kernel in ("5.10", "6.1.0", "6.12")))
    b = saved(
        tmp_path / "b.json",
        *(verdict(kernel=kernel, stack_depth=72) for kernel in ("6.1.0", "6.12", "6.18.2")),
    )
    lines = bpfline_compare(a, b).stdout.splitlines()
    assert lines[2:4] == [
        "only in A, and not compared: kernel 5.10",
        "only in B, and not compared: kernel 6.18.2",
    ]
    assert [line.split()[:2] for line in lines[6:]] == [["x/prog", "6.1.0"], ["x/prog", "6.12"]]
    ended = bpfline_compare(a, b, "--across", status=3)
    assert f"{a}: error: is of 3 kernels: 5.10, 6.1.0, 6.12" in ended.stderr


def test_a_new_refusal_ends_with_1_and_growth_with_0(tmp_path: Path) -> None:
    a = saved(tmp_path / "a.json", verdict())
    b = saved(tmp_path / "b.json", verdict(verdict="refused", errno="EACCES"))
    assert "newly refused" in bpfline_compare(a, b, status=1).stdout
    assert "newly accepted" in bpfline_compare(b, a).stdout
    bpfline_compare(a, saved(tmp_path / "c.json", verdict(processed_insns=999_999)))


def test_json_and_csv_have_what_changed_and_with_all_what_did_not(tmp_path: Path) -> None:
    a = saved(tmp_path / "a.json", verdict("x/a"), verdict("x/b"))
    b = saved(tmp_path / "b.json", verdict("x/a"), verdict("x/b", jited_bytes=600))
    document = json.loads(bpfline_compare(a, b, "--json").stdout)
    (change,) = document["changes"]
    assert (document["schema"], document["a"]["kernels"], change["name"]) == (1, ["6.1.0"], "x/b")
    assert change["deltas"][-1] == {"figure": "jited_bytes", "before": 500, "after": 600, "percent": 20.0}
    whole = json.loads(bpfline_compare(a, b, "--json", "--all").stdout)
    assert [change["kind"] for change in whole["changes"]] == ["figures", "same"]
    rows = list(csv.reader(io.StringIO(bpfline_compare(a, b, "--csv").stdout)))
    assert rows == [
        ["program", "kernel", "what", "before", "after", "change", "percent"],
        ["x/b", "6.1.0", "jited_bytes", "500", "600", "+100", "+20.0"],
    ]
    assert len(bpfline_compare(a, b, "--csv", "--all").stdout.splitlines()) == 1 + 2 * 6


def test_a_name_with_control_characters_is_shown_escaped(tmp_path: Path) -> None:
    a = saved(tmp_path / "a.json", verdict("x/\x1b[31m"))
    ended = bpfline_compare(a, saved(tmp_path / "b.json", verdict("x/\x1b[31m", stack_depth=1)))
    assert "\x1b" not in ended.stdout and r"x/\x1b[31m" in ended.stdout


@pytest.mark.kernel
def test_two_builds_of_a_project_are_compared_by_folder_by_json_and_by_report(project: Project) -> None:
    project.write("bpf_src/x.bpf.c", HEADERS + loops(10) + loops(3, "same"))
    project.write("before.json", project.doit("verify", "--json").stdout)
    project.doit("baseline")
    project.write("bpf_src/x.bpf.c", HEADERS + loops(50) + loops(3, "same") + refused("bad"))
    project.doit("verify", status=1)
    after = project.path("build")
    for before in ("before.json", "verifier-baseline.json"):
        lines = bpfline_compare(project.path(before), after).stdout.splitlines()
        assert os.uname().release in lines[0]
        assert lines[4].split() == ["x/bad", "verdict", "-", "refused", "(EACCES)", "new"]
        assert {line.split()[0] for line in lines[5:]} == {"x/loops"}
    report = project.path("build/report")
    for one in (report / "verdicts.json", after / "x", after / "x/verifier"):
        assert "nothing changed" in bpfline_compare(one, after).stdout
    assert "nothing changed" in bpfline_compare(report / "verdicts.csv", after, "--across").stdout
