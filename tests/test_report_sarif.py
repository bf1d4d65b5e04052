# SPDX-License-Identifier: Apache-2.0
"""verdicts.sarif and the fingerprints of findings."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from jsonschema import Draft7Validator

import sarif_schema
from bpfline import failure
from bpfline.failure import Failure
from bpfline.program_lines import Place
from bpfline.report import findings, github, gitlab, sarif
from bpfline.report.results import Result, Results
from report_results import KERNEL, diagnosis, hostile, of_each_kind, result

SARIF = Draft7Validator(sarif_schema.published())
BOTH = pytest.mark.parametrize(
    "results", [of_each_kind(), hostile(), Results(())], ids=["each", "hostile", "none"]
)


def sarif_of(results: Results) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(sarif.render(results))
    return document


@BOTH
def test_sarif_is_what_the_published_schema_says(results: Results) -> None:
    log = sarif_of(results)
    SARIF.validate(log)
    for run in log["runs"]:
        ids = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
        assert len(set(ids)) == len(ids)
        assert all(ids[each["ruleIndex"]] == each["ruleId"] for each in run["results"])
        assert all(each["locations"] and each["partialFingerprints"] for each in run["results"])


def test_the_published_schema_refuses_what_sarif_does_not_have() -> None:
    log = sarif_of(of_each_kind())
    log["runs"][0]["results"][0]["colour"] = "red"
    assert not SARIF.is_valid(log)


def test_a_refusal_is_a_result_with_its_place_its_way_and_its_rule() -> None:
    (run,) = sarif_of(of_each_kind())["runs"]
    (bad,) = [each for each in run["results"] if each["properties"]["program"] == "net/x/bad"]
    assert (bad["ruleId"], bad["level"]) == ("BPF003", "error")
    physical = bad["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"] == {"uri": "bpf_src/net/x.bpf.c", "uriBaseId": "%SRCROOT%"}
    assert (physical["region"]["startLine"], physical["region"]["startColumn"]) == (10, 9)
    steps = bad["codeFlows"][0]["threadFlows"][0]["locations"]
    assert [step["location"]["physicalLocation"]["region"]["startLine"] for step in steps] == [9, 9]
    rule = run["tool"]["driver"]["rules"][bad["ruleIndex"]]
    assert rule["id"] == "BPF003" and rule["help"]["text"]
    assert run["automationDetails"]["id"] == f"verify/{KERNEL}/"


def test_each_kind_of_fault_is_a_rule_of_its_own_with_its_title() -> None:
    newly = Failure(failure.NEWLY_REFUSED, "is newly refused: it is accepted in verifier-baseline.json")
    other = Failure(failure.OTHERWISE, "is refused with BPF003, and was to be with BPF004")
    rows = (
        *of_each_kind().rows,
        result("unknown", "refused", message="R0 is odd"),
        result("newly", "refused", diagnosis=diagnosis(), failures=(newly,)),
        result("otherwise", "refused", diagnosis=diagnosis(), expected=True, failures=(other,)),
    )
    (run,) = sarif_of(Results(rows))["runs"]
    titles = {rule["id"]: rule["shortDescription"]["text"] for rule in run["tool"]["driver"]["rules"]}
    found = [(each["properties"]["program"].rpartition("/")[2], each["ruleId"]) for each in run["results"]]
    assert sorted(found) == [
        ("bad", "BPF003"), ("dear", "budget"), ("grown", "growth"), ("newly", "BPF003"),
        ("otherwise", "refused-otherwise"), ("slipped", "unexpectedly-accepted"), ("unknown", "refused"),
    ]  # fmt: skip
    assert titles["growth"] == "the program costs more than the baseline allows"
    assert titles["budget"] == "the program costs more than its budget"
    assert titles["unexpectedly-accepted"] == "the verifier accepts a program that was to be refused"
    (new,) = [each for each in run["results"] if each["properties"]["program"] == "net/x/newly"]
    assert new["message"]["text"].endswith(f" ({newly})")
    (old,) = [each for each in findings.of_results(of_each_kind()) if each.rule == "BPF003"]
    same = dataclasses.replace(old.result, failures=(newly,))
    assert [each.fingerprint for each in findings.of_result(same)] == [old.fingerprint]
    assert titles["refused"] == "the verifier refused the program"
    checks = {each["check_name"]: each["severity"] for each in json.loads(gitlab.render(Results(rows)))}
    assert set(checks) == {*titles, "not-tried"}
    assert (checks["growth"], checks["unexpectedly-accepted"]) == ("major", "critical")
    said = github.commands(Results(rows))
    assert "title=growth%3A the program costs more than the baseline allows::" in said


def test_what_is_no_fault_of_the_source_is_a_notification() -> None:
    (run,) = sarif_of(of_each_kind())["runs"]
    (invocation,) = run["invocations"]
    assert not invocation["executionSuccessful"]
    said = {each["level"]: each["message"]["text"] for each in invocation["toolExecutionNotifications"]}
    assert said["note"] == "net/x/lacking: the kernel has no netkit"
    assert said["error"].startswith("net/x/untried: the program could not be tried: may not load programs")
    programs = {each["properties"]["program"] for each in run["results"]}
    assert programs == {"net/x/bad", "net/x/slipped", "net/x/dear", "net/x/grown"}


def test_each_kernel_has_a_run_and_the_last_run_has_the_rest() -> None:
    rows = [result(what="refused", diagnosis=diagnosis(), kernel=f"6.{n}") for n in range(23)]
    runs = sarif_of(Results(tuple(rows)))["runs"]
    assert len(runs) == sarif.MOST_RUNS == 20 and sum(len(run["results"]) for run in runs) == 23
    assert runs[-1]["automationDetails"]["id"] == "verify/6.19+6.20+6.21+6.22/"
    assert len({run["automationDetails"]["id"] for run in runs}) == 20
    SARIF.validate(sarif_of(Results(tuple(rows))))


def test_braces_and_links_of_a_message_are_text() -> None:
    text = sarif._message("{0} [here](http://x) a\nb")["text"]
    assert text == "{{0}} [here] (http://x) a\\x0ab"


def test_columns_count_characters_and_uris_are_escaped() -> None:
    why = diagnosis(place=Place("src/a b%ü.c", 2, 6, "\tä = *p;"))
    (run,) = sarif_of(Results((result(what="refused", diagnosis=why),)))["runs"]
    physical = run["results"][0]["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"]["uri"] == "src/a%20b%25%C3%BC.c"
    assert physical["region"]["startColumn"] == 5  # the fifth character is the sixth byte


# --- Fingerprints --------------------------------------------------------------------------------


def fingerprint(row: Result) -> str:
    (finding,) = findings.of_result(row)
    return finding.fingerprint


def test_a_fingerprint_stands_while_lines_registers_and_kernels_change() -> None:
    first = result(what="refused", diagnosis=diagnosis("R0 invalid mem access 'inv', off=-4 size=8"))
    place = Place("bpf_src/net/x.bpf.c", 99, 1, "x", "main")
    later = diagnosis("R7 invalid mem access 'inv', off=12 size=16", place=place)
    assert fingerprint(result(what="refused", diagnosis=later, kernel="7.3")) == fingerprint(first)


def test_a_fingerprint_changes_with_rule_file_program_and_message() -> None:
    rows = [
        result(what="refused", diagnosis=diagnosis()),
        result(what="refused", diagnosis=diagnosis(code="BPF004")),
        result(what="refused", diagnosis=diagnosis(place=Place("other.c", 10, 9))),
        result("other", "refused", diagnosis=diagnosis()),
        result(what="refused", diagnosis=diagnosis("R0 invalid mem access 'scalar'")),
        result(what="refused", diagnosis=diagnosis(), section="xdp"),
    ]
    assert len({fingerprint(row) for row in rows}) == len(rows)
