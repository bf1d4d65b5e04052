# SPDX-License-Identifier: Apache-2.0
"""The reports as a whole, JSON, CSV and JUnit: as the tools that read them see them."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from importlib import import_module
from pathlib import Path

import junitparser
import pytest
from jsonschema import Draft202012Validator

from bpfline import report
from bpfline.report import junit, verdicts_json, veristat_csv
from bpfline.report.results import Results
from report_results import HOSTILE, KERNEL, hostile, of_each_kind, result

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
SCHEMA = json.loads((Path(__file__).parents[1] / "docs/verdicts.schema.json").read_text())
BOTH = pytest.mark.parametrize(
    "results", [of_each_kind(), hostile(), Results(())], ids=["each", "hostile", "none"]
)


# --- All of them ---------------------------------------------------------------------------------


@BOTH
def test_the_same_results_give_the_same_bytes(results: Results) -> None:
    for name, module in report.FORMATS:
        render = import_module(f"bpfline.report.{module}").render
        assert render(results) == render(dataclasses.replace(results)), name


def test_every_format_is_written_and_nothing_else(tmp_path: Path) -> None:
    assert report.write(of_each_kind(), tmp_path / "report", {}) == 0
    assert {path.name for path in (tmp_path / "report").iterdir()} == {name for name, _ in report.FORMATS}


def test_a_report_that_fails_is_said_and_does_not_lose_the_others(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "junit.xml").mkdir()  # a file cannot take its place
    assert report.write(of_each_kind(), tmp_path, {}) == 2
    assert capfd.readouterr().err == f"{tmp_path}/junit.xml: error: cannot be written: Is a directory\n"
    made = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert made == {name for name, _ in report.FORMATS} - {"junit.xml"}


# --- verdicts.json -------------------------------------------------------------------------------


@BOTH
def test_verdicts_json_is_of_its_schema(results: Results) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    Draft202012Validator(SCHEMA).validate(json.loads(verdicts_json.render(results)))


def test_the_schema_has_every_field_and_no_other() -> None:
    (row,) = json.loads(verdicts_json.render(Results((result(),))))["results"]
    assert list(SCHEMA["$defs"]["row"]["properties"]) == SCHEMA["$defs"]["row"]["required"]
    assert set(SCHEMA["$defs"]["row"]["properties"]) == set(row)


def test_verdicts_json_tells_the_outcome_of_each_row() -> None:
    rows = json.loads(verdicts_json.render(of_each_kind()))["results"]
    assert {row["program"]: row["outcome"] for row in rows} == {
        "good": "passed", "bad": "failed", "meant": "passed", "slipped": "failed", "dear": "failed",
        "grown": "failed", "lacking": "skipped", "untried": "error",
    }  # fmt: skip
    assert rows[1]["diagnosis"]["steps"][0]["place"]["line"] == 9


# --- verdicts.csv --------------------------------------------------------------------------------

# As veristat 0.4 writes them; it stops at its own file with those from prog_size on.
VERISTAT_WRITES = (
    "file_name,prog_name,verdict,duration,total_insns,total_states,peak_states,max_states_per_insn,"
    "max_mark_read_len,prog_size,prog_size_jited,prog_type,attach_type,stack_depth"
)
VERISTAT_READS = VERISTAT_WRITES.partition(",prog_size")[0]


def veristat(*args: object) -> str:
    """What veristat prints; where there is none, the caller's other checks have to do."""
    return subprocess.run(["veristat", *map(str, args)], capture_output=True, text=True, check=True).stdout


def test_the_csv_has_columns_that_veristat_reads_and_one_cell_for_each() -> None:
    for results in (of_each_kind(), hostile()):
        head, *rows = veristat_csv.render(results).decode().split("\n")[:-1]
        assert set(head.split(",")) < set(VERISTAT_READS.split(","))
        # veristat splits at commas and takes empty cells for none.
        assert all(len(row.split(",")) == len(head.split(",")) and all(row.split(",")) for row in rows)
        assert not any(CONTROL.search(row) for row in rows)


def test_the_csv_gives_a_verdict_to_what_the_kernel_judged() -> None:
    rows = {
        row["prog_name"]: row
        for row in csv.DictReader(veristat_csv.render(of_each_kind()).decode().splitlines())
    }
    assert rows["good"] == {
        "file_name": "net/x.o", "prog_name": "good", "verdict": "success", "duration": "0",
        "total_insns": "16", "total_states": "2", "peak_states": "0",
    }  # fmt: skip
    assert rows["bad"]["verdict"] == rows["lacking"]["verdict"] == "failure"
    assert "untried" not in rows


def test_the_csv_tells_kernels_apart() -> None:
    rows = [result(kernel="6.1"), result(kernel="6.12")]
    cells = veristat_csv.render(Results(tuple(rows))).decode().splitlines()[1:]
    assert [line.split(",")[0] for line in cells] == ["net/x.o@6.1", "net/x.o@6.12"]


if shutil.which("veristat"):

    def test_veristat_itself_replays_and_compares_the_csv(tmp_path: Path) -> None:
        old, new = tmp_path / "old.csv", tmp_path / "new.csv"
        old.write_bytes(veristat_csv.render(Results((result("p", processed_insns=10),))))
        new.write_bytes(veristat_csv.render(Results((result("p", "refused", processed_insns=25),))))
        assert re.search(r"net/x\.o +p +success +0 +10 ", veristat("-R", old))
        compared = veristat("-C", "-e", "file,prog,verdict,insns", old, new)
        assert re.search(r"net/x\.o +p +success +failure +MISMATCH +10 +25 +\+15 \(\+150\.00%\)", compared)
        hard = tmp_path / "hard.csv"
        hard.write_bytes(veristat_csv.render(hostile()))
        assert "failure" in veristat("-R", hard)


# --- junit.xml -----------------------------------------------------------------------------------


def cases(results: Results) -> dict[str, junitparser.TestCase]:
    parsed = junitparser.JUnitXml.fromstring(junit.render(results))
    return {case.name: case for suite in parsed for case in suite}


def test_a_program_on_a_kernel_is_a_test_case() -> None:
    found = cases(of_each_kind())
    assert {case.classname for case in found.values()} == {f"net/x.{KERNEL}"}
    kinds = {name: [type(each).__name__ for each in case.result] for name, case in found.items()}
    assert kinds == {
        "good": [], "meant": [], "bad": ["Failure"], "slipped": ["Failure"], "dear": ["Failure"],
        "grown": ["Failure"], "lacking": ["Skipped"], "untried": ["Error"],
    }  # fmt: skip
    (bad,) = found["bad"].result
    assert bad.type == "BPF003" and "invalid mem access 'map_value_or_null'" in bad.message
    assert bad.text.splitlines()[2] == "at bpf_src/net/x.bpf.c:10:9"
    assert found["bad"]._elem.get("file") == "bpf_src/net/x.bpf.c"
    assert found["bad"]._elem.get("line") == "10"


def test_the_counts_of_junit_are_those_of_its_cases() -> None:
    parsed = junitparser.JUnitXml.fromstring(junit.render(of_each_kind()))
    said = parsed.tests, parsed.failures, parsed.errors, parsed.skipped
    parsed.update_statistics()
    assert said == (parsed.tests, parsed.failures, parsed.errors, parsed.skipped) == (8, 4, 1, 1)


def test_junit_keeps_what_xml_cannot_hold_as_an_escape() -> None:
    root = ET.fromstring(junit.render(hostile()))
    names = {case.get("name") for case in root.iter("testcase")}
    assert "tab\tnul\\x00 esc\\x1b[31m \x85\u2028\\ufffe\\udc80" in names
    assert HOSTILE[0] in names and HOSTILE[-1] in names and len(names) == len(HOSTILE)


def test_system_out_is_the_end_of_the_log_and_no_more(tmp_path: Path) -> None:
    log = tmp_path / "main.log"
    lines = [f"{number}: \x1b]0;\x07\xff".encode("latin-1") for number in range(9_000)]
    log.write_bytes(b"\n".join([*lines, b"R1 !read_ok", b""]))
    (case,) = cases(Results((result(what="refused", log=log),))).values()
    out = case.system_out.splitlines()
    assert out[-1] == "R1 !read_ok" and out[-2] == "8999: \\x1b]0;\\x07\N{REPLACEMENT CHARACTER}"
    assert re.match(r"\d+: ", out[0]) and log.stat().st_size > junit.LOG_TAIL
    first = log.read_bytes().index(out[0].split(":")[0].encode() + b": ")
    assert log.stat().st_size - junit.LOG_TAIL <= first < log.stat().st_size - junit.LOG_TAIL + 20


def test_an_accepted_program_carries_no_log(tmp_path: Path) -> None:
    (tmp_path / "main.log").write_text("processed 1 insns\n")
    (case,) = cases(Results((result(log=tmp_path / "main.log"),))).values()
    assert case.system_out is None
