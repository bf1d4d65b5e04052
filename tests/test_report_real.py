# SPDX-License-Identifier: Apache-2.0
"""Reports of real programs: what doit verify and bpfline verify --report write on the running kernel."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import junitparser
import pytest
from jsonschema import Draft7Validator, Draft202012Validator

import bpfline
import bpfline_loader
import sarif_schema
from bpf_objects import compile_bpf
from bpfline import report
from conftest import Project

BPF = Path(__file__).parent / "bpf"
SCHEMA = json.loads((Path(__file__).parents[1] / "docs/verdicts.schema.json").read_text())
PACKAGES = os.pathsep.join(str(Path(package.__path__[0]).parent) for package in (bpfline, bpfline_loader))
KERNEL = os.uname().release

pytestmark = pytest.mark.kernel


def verdicts(folder: Path) -> dict[str, dict[str, Any]]:
    document = json.loads((folder / "verdicts.json").read_text())
    Draft202012Validator(SCHEMA).validate(document)
    return {f"{row['object']}/{row['program']}": row for row in document["results"]}


def add(project: Project, name: str, to: str) -> None:
    target = project.path("bpf_src") / to
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(BPF / name, target)


@pytest.fixture
def mixed(project: Project) -> Project:
    add(project, "bad/unchecked_lookup.bpf.c", "net/x.bpf.c")
    add(project, "good/no_license.bpf.c", "y.bpf.c")
    return project


def test_doit_verify_writes_every_report_of_all_programs(mixed: Project) -> None:
    mixed.doit("verify", status=1)
    folder = mixed.path("build/report")
    assert {path.name for path in folder.iterdir()} == {name for name, _ in report.FORMATS}
    rows = verdicts(folder)
    bad = rows["net/x/fails"]
    assert (bad["outcome"], bad["diagnosis"]["code"]) == ("failed", "BPF003")
    assert bad["source"] == bad["diagnosis"]["place"]["file"] == "bpf_src/net/x.bpf.c"
    line = mixed.path("bpf_src/net/x.bpf.c").read_text().splitlines()[bad["diagnosis"]["place"]["line"] - 1]
    assert line == bad["diagnosis"]["place"]["source"] and "return *value" in line
    assert {row["outcome"] for name, row in rows.items() if name != "net/x/fails"} == {"passed"}
    source = mixed.path("bpf_src/net/x.bpf.c").read_text().splitlines()
    for row in rows.values():
        cost = row["cost"]
        assert cost["counted_insns"] == cost["processed_insns"] == row["processed_insns"] > 0
        assert sum(each["insns"] for each in cost["lines"]) == row["processed_insns"]
        assert [each["name"] for each in cost["functions"]] == [row["program"]]
    assert {each["file"] for each in bad["cost"]["lines"]} == {"bpf_src/net/x.bpf.c"}
    assert all(each["source"] == source[each["line"] - 1] for each in bad["cost"]["lines"])

    cases = {
        case.name: case
        for suite in junitparser.JUnitXml.fromfile(str(folder / "junit.xml"))
        for case in suite
    }
    assert len(cases) == len(rows)
    assert cases["fails"].classname == f"net/x.{KERNEL}" and cases["fails"].is_failure
    assert "R0 invalid mem access 'map_value_or_null'" in cases["fails"].system_out

    sarif = json.loads((folder / "verdicts.sarif").read_text())
    Draft7Validator(sarif_schema.published()).validate(sarif)
    (run,) = sarif["runs"]
    (found,) = run["results"]
    assert found["ruleId"] == "BPF003" and found["codeFlows"]
    (entry,) = json.loads((folder / "gl-code-quality.json").read_text())
    assert entry["location"]["path"] == "bpf_src/net/x.bpf.c"
    assert entry["fingerprint"] in found["partialFingerprints"].values()
    assert "BPF003" in (folder / "summary.md").read_text()


def test_the_cost_is_null_where_the_log_does_not_show_all_of_the_work(mixed: Project) -> None:
    mixed.doit("verify", "--log", "short", status=1)
    assert {row["cost"] for row in verdicts(mixed.path("build/report")).values()} == {None}
    mixed.doit("verify", "--log", "none", status=1)
    assert {row["cost"] for row in verdicts(mixed.path("build/report")).values()} == {None}


BIG = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
const volatile int rounds = 3000;
SEC("xdp") int big(struct xdp_md *ctx)
{
	int sum = 0;
	for (int i = 0; i < rounds; i++) {
		sum += i;
		asm volatile("" : "+r"(sum));
	}
	return sum & 1;
}
char LICENSE[] SEC("license") = "GPL";
"""


def test_the_report_takes_the_full_log_that_doit_cost_kept_of_the_same_program_alone(
    project: Project,
) -> None:
    def reported(*args: str) -> tuple[str, bool]:
        project.doit("verify", *args)
        row = verdicts(project.path("build/report"))["big/big"]
        if row["cost"]:
            assert row["cost"]["counted_insns"] == row["processed_insns"]
        digest = hashlib.sha256(project.path(row["log"]).read_bytes()).hexdigest()
        assert digest == row["log_sha256"]
        return Path(row["log"]).parent.name, row["cost"] is not None

    project.write("bpf_src/big.bpf.c", BIG)
    assert reported() == (KERNEL, False)
    project.doit("cost")
    assert reported() == ("cost", True)
    assert reported("--log", "short") == ("cost", True)
    assert reported("--log", "full") == (KERNEL, True)  # which has all of it, too
    assert reported("--set", "rounds=2000") == (KERNEL, False)  # it is another program
    assert reported() == ("cost", True)
    project.write("bpf_src/big.bpf.c", BIG.replace("= 3000", "= 4000"))
    assert reported() == (KERNEL, False)


def test_what_was_worked_out_of_a_long_log_is_kept_until_the_log_changes(project: Project) -> None:
    def insns_of_first_line() -> int:
        """As the report has it; it is 1 where it was taken from the file below."""
        project.doit("verify")
        (row,) = verdicts(project.path("build/report")).values()
        assert row["cost"]["counted_insns"] == row["processed_insns"]
        return int(row["cost"]["lines"][0]["insns"])

    project.write("bpf_src/big.bpf.c", BIG)
    project.doit("cost")
    (kept,) = project.path("build").rglob("*.log.json")
    log = kept.with_name("big.log")
    assert log.stat().st_size >= 1 << 20
    right = insns_of_first_line()
    whole = kept.read_bytes()
    known = json.loads(whole)
    assert known["cost"]["lines"][0]["insns"] == right > 1
    known["cost"]["lines"][0]["insns"] = 1
    taken = json.dumps(known)

    kept.write_text(taken)
    assert insns_of_first_line() == 1  # nobody read the log again
    for damaged in (
        taken[:-1],
        "[" * 100_000,
        "[]",
        json.dumps({**known, "key": "another"}),
        json.dumps({**known, "cost": {**known["cost"], "lines": "none"}}),
        json.dumps({**known, "cost": {**known["cost"], "more": 1}}),
    ):
        kept.write_text(damaged)
        assert insns_of_first_line() == right
        assert json.loads(kept.read_bytes())["cost"] == json.loads(whole)["cost"]

    status = log.stat()
    log.write_bytes(log.read_bytes().replace(b"goto", b"gone", 1))
    os.utime(log, ns=(status.st_atime_ns, status.st_mtime_ns))
    project.doit("verify")
    (row,) = verdicts(project.path("build/report")).values()
    assert row["cost"] is None  # that is no log of the kernel's
    project.doit("cost")
    assert insns_of_first_line() == right


def without_times(text: str) -> str:
    text = re.sub(r'"(verification_usec": \d+|cached": (true|false))', "", text)
    text = re.sub(r'time="[\d.]+"|verification time \d+ usec|0xffff[0-9a-f]+', "", text)
    text = re.sub(r'"(log_sha256|key)": "\w*"', "", text)
    return re.sub(r"(success|failure),\d+,", "", text)


def test_a_second_run_gives_the_same_reports_apart_from_times(mixed: Project) -> None:
    def reports() -> dict[str, str]:
        return {path.name: without_times(path.read_text()) for path in mixed.path("build/report").iterdir()}

    mixed.doit("verify", status=1)
    first = reports()
    mixed.doit("verify", status=1)  # of verdicts that stand
    assert reports() == first
    mixed.doit("verify", "--again", status=1)  # of new ones
    again = reports()
    # The page holds the logs themselves, packed, and they tell their own times.
    assert again.pop("index.html") and first.pop("index.html")
    assert again == first


def test_a_source_that_is_mended_leaves_the_reports(mixed: Project) -> None:
    mixed.doit("verify", status=1)
    add(mixed, "good/no_license.bpf.c", "net/x.bpf.c")
    mixed.doit("verify")
    folder = mixed.path("build/report")
    assert {row["outcome"] for row in verdicts(folder).values()} == {"passed"}
    assert json.loads((folder / "gl-code-quality.json").read_text()) == []


def test_a_fingerprint_survives_lines_above_the_fault(mixed: Project) -> None:
    def fingerprint() -> str:
        (entry,) = json.loads(mixed.path("build/report/gl-code-quality.json").read_text())
        return f"{entry['fingerprint']}"

    mixed.doit("verify", status=1)
    first = fingerprint()
    source = mixed.path("bpf_src/net/x.bpf.c")
    source.write_text("/* more\n   of\n   this */\n" + source.read_text())
    mixed.doit("verify", status=1)
    assert fingerprint() == first


def test_json_on_standard_output_stays_json_inside_github_actions(mixed: Project, tmp_path: Path) -> None:
    step = tmp_path / "step.md"
    environ = {**mixed.env, "GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(step)}
    ended = mixed.doit("verify", "--json", status=1, env=environ)
    assert json.loads(ended.stdout)["results"]
    (line,) = [line for line in ended.stderr.splitlines() if line.startswith("::")]
    assert line.startswith("::error file=bpf_src/net/x.bpf.c,line=") and "title=BPF003%3A " in line
    assert step.read_bytes() == mixed.path("build/report/summary.md").read_bytes()


def test_a_report_that_cannot_be_written_ends_with_2_and_loses_no_other(mixed: Project) -> None:
    mixed.path("build/report/summary.md").mkdir(parents=True)
    ended = mixed.doit("verify", status=2)
    assert "build/report/summary.md: error: cannot be written: Is a directory" in ended.stderr
    assert verdicts(mixed.path("build/report"))


def bpfline_verify(*args: object, cwd: Path, status: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bpfline", "verify", *map(str, args)]
    ended = subprocess.run(
        command, cwd=cwd, env={**os.environ, "PYTHONPATH": PACKAGES}, capture_output=True, text=True
    )
    assert ended.returncode == status and "Traceback" not in ended.stderr, ended.stderr
    return ended


def test_bpfline_verify_writes_them_for_objects_built_elsewhere(tmp_path: Path) -> None:
    shutil.copy(compile_bpf((BPF / "bad/unchecked_lookup.bpf.c").read_text(), name="x"), tmp_path / "x.bpf.o")
    bpfline_verify("x.bpf.o", "gone.o", "--report", "out", cwd=tmp_path, status=2)
    rows = verdicts(tmp_path / "out")
    assert (rows["x/fails"]["outcome"], rows["x/fails"]["diagnosis"]["code"]) == ("failed", "BPF003")
    assert rows["x/fails"]["diagnosis"]["place"]["file"] == rows["x/fails"]["source"]
    assert rows["x/fails"]["source"].endswith("/x.bpf.c")  # as the object tells it
    assert rows["gone/"]["outcome"] == "error"
    assert "processed" in (tmp_path / rows["x/fails"]["log"]).read_text()
    assert (tmp_path / "out/verdicts.csv").read_text().splitlines()[1].startswith("x.bpf.o,fails,failure,")


def test_without_report_nothing_is_written(tmp_path: Path) -> None:
    shutil.copy(compile_bpf((BPF / "good/no_license.bpf.c").read_text(), name="y"), tmp_path / "y.o")
    bpfline_verify("y.o", cwd=tmp_path, status=0)
    assert [path.name for path in tmp_path.iterdir()] == ["y.o"]


if shutil.which("veristat"):

    def test_veristat_replays_the_csv_of_a_real_run(mixed: Project) -> None:
        mixed.doit("verify", status=1)
        path = mixed.path("build/report/verdicts.csv")
        told = subprocess.run(["veristat", "-R", path], capture_output=True, text=True, check=True).stdout
        assert re.search(r"net/x\.o +fails +failure", told)
        compared = subprocess.run(["veristat", "-C", path, path], capture_output=True, text=True, check=True)
        assert "MISMATCH" not in compared.stdout and "MATCH" in compared.stdout
