# SPDX-License-Identifier: Apache-2.0
"""What GitHub and GitLab show, and the summary for people."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bpfline import report
from bpfline.report import findings, github, gitlab, summary
from bpfline.report.results import Results
from report_results import diagnosis, hostile, of_each_kind, result

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def test_paths_are_relative_to_the_top_of_the_repository(tmp_path: Path) -> None:
    assert findings.in_repository("src/x.c", tmp_path / "alone") == "src/x.c"
    project = tmp_path / "deep/project"
    (tmp_path / ".git").mkdir()
    assert findings.in_repository("src/x.c", project) == "deep/project/src/x.c"
    assert findings.in_repository("../x.c", project) == "deep/x.c"
    assert findings.in_repository("/usr/include/x.h", project) == "/usr/include/x.h"


def test_annotations_cannot_be_broken_out_of() -> None:
    lines = github.commands(hostile()).split("\n")[:-1]
    assert all(
        re.match(r"::(error|warning|notice) ?([a-z]+=[^:,\n]*(,[a-z]+=[^:,\n]*)*)?::", line) for line in lines
    )
    assert not any(CONTROL.search(line) for line in lines)
    kinds = [line.split(" ")[0].split("::")[1] for line in lines]
    assert kinds.count("error") == kinds.count("warning") + 2 == github.MOST  # 8 rows lack something
    assert lines[-1].startswith("::notice::") and "more are in the summary" in lines[-1]


def test_an_annotation_stands_at_its_line() -> None:
    (line,) = github.commands(Results((result(what="refused", diagnosis=diagnosis()),))).splitlines()
    assert line == (
        "::error file=bpf_src/net/x.bpf.c,line=10,col=9,title=BPF003%3A the result of a map lookup is not "
        "checked for NULL::net/x/main: the result of a map lookup is not checked for NULL: R0 invalid mem "
        "access 'map_value_or_null'%0Ahelp: Return when the pointer is NULL."
    )


def test_inside_github_actions_alone_it_annotates_and_appends_to_the_summary(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    step = tmp_path / "step.md"
    step.write_text("before\n")
    report.write(of_each_kind(), tmp_path / "a", {"GITHUB_STEP_SUMMARY": str(step)})
    assert "::" not in capfd.readouterr().err and step.read_text() == "before\n"
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(step)}
    assert report.write(of_each_kind(), tmp_path / "a", environ) == 0
    said = capfd.readouterr()
    assert said.out == "" and said.err.startswith("::error title=not-tried") is False
    assert said.err.count("::error ") == 5 and said.err.count("::warning ") == 1
    assert step.read_bytes() == b"before\n" + summary.render(of_each_kind())


def test_a_summary_that_github_would_refuse_is_cut(tmp_path: Path) -> None:
    rows = tuple(result(f"p{n}", "refused", diagnosis=diagnosis()) for n in range(4_000))
    step = tmp_path / "step.md"
    github.add_summary(Results(rows), {"GITHUB_STEP_SUMMARY": str(step)})
    assert github.SUMMARY_SIZE - 4_000 < step.stat().st_size <= github.SUMMARY_SIZE
    assert "The rest does not fit" in step.read_text()[-200:]


def test_code_quality_has_what_gitlab_asks_for_and_each_fingerprint_once() -> None:
    rows = [result(what="refused", diagnosis=diagnosis(), kernel=kernel) for kernel in ("6.1", "6.12")]
    (entry,) = json.loads(gitlab.render(Results(tuple(rows))))
    assert re.fullmatch(r"[0-9a-f]{32}", entry.pop("fingerprint"))
    assert entry == {
        "description": "net/x/main: the result of a map lookup is not checked for NULL: R0 invalid mem "
        "access 'map_value_or_null' (on 6.1, 6.12)",
        "check_name": "BPF003",
        "severity": "critical",
        "location": {"path": "bpf_src/net/x.bpf.c", "lines": {"begin": 10}},
    }
    for entry in json.loads(gitlab.render(hostile())):
        assert entry["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert entry["location"]["lines"]["begin"] >= 1 and not CONTROL.search(entry["description"])


# --- summary.md ----------------------------------------------------------------------------------


def test_the_summary_begins_with_what_is_wrong() -> None:
    text = summary.render(of_each_kind()).decode()
    assert "8 programs on 6.18.0-test: 1 could not be tried, 4 failed, 1 not supported, 2 passed." in text
    heads = [
        line.removeprefix("### net/x/").split(":")[0] for line in text.splitlines() if line.startswith("###")
    ]
    assert heads == ["untried", "bad", "slipped", "dear", "grown"]
    table = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| net")]
    assert table[0] == "| net/x/untried" and table[-1] == "| net/x/meant"
    assert "bpf&#95;src/net/x.bpf.c:10:9, BPF003" in text and "help: Return when the pointer is NULL." in text
    assert "processed&#95;insns 10 to 16 (+6, +60.0 %)" in text
    assert "gone since the baseline: net/x/old" in text


def test_the_summary_counts_an_object_that_could_not_be_tried_as_an_object() -> None:
    broken = result("", "error", section="", object="net/y", message="does not compile")
    text = summary.render(Results((*of_each_kind().rows, broken))).decode()
    assert "8 programs on 6.18.0-test: 1 could not be tried, 4 failed, 1 not supported, 2 passed. " in text
    assert "passed. 1 object could not be tried." in text
    assert "### net/y: the object could not be tried" in text and "### net/x/untried: the program" in text
    alone = summary.render(Results((broken,))).decode()
    assert "1 object could not be tried." in alone and "program" not in alone.split("|")[0].split("###")[0]


def test_the_summary_is_one_table_whatever_names_hold() -> None:
    text = summary.render(hostile()).decode()
    rows = text[text.index("| program |") :].rstrip("\n").split("\n")
    assert len(rows) == 2 + len(hostile().rows)
    assert {row.count("|") for row in rows} == {9}
    markdown = re.sub(r"<pre>\n.*?\n</pre>", "", text, flags=re.DOTALL)  # which is HTML
    assert "<script>" not in text
    assert "[l](" not in markdown and "@all" not in markdown and "*b*" not in markdown


def test_no_programs_are_said() -> None:
    assert summary.render(Results(())).decode() == "# Verifier\n\nThere are no programs.\n"
