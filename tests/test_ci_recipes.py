# SPDX-License-Identifier: Apache-2.0
"""The CI recipes of docs/ci: each is what its system reads, and names commands and files that are there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bpfline import report
from conftest import DOIT

ROOT = Path(__file__).parents[1]
CI = ROOT / "docs/ci"
GITHUB = yaml.safe_load((CI / "github.yml").read_text())
GITLAB = yaml.safe_load((CI / "gitlab.yml").read_text())
SYSTEM = ("sudo", "apt-get")  # of the runners
DOCS = (ROOT / "docs/ci.md", ROOT / "docs/reports.md")


def commands() -> Iterator[list[str]]:
    for step in GITHUB["jobs"]["verify"]["steps"]:
        yield from (shlex.split(line) for line in step.get("run", "").splitlines())
    for job in GITLAB.values():
        if isinstance(job, dict):
            for line in (*job.get("before_script", ()), *job.get("script", ())):
                yield shlex.split(line)


def doit(*args: str) -> str:
    return subprocess.run([DOIT, *args], cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("name, schema", [("github.yml", "github-workflows"), ("gitlab.yml", "gitlab-ci")])
def test_a_recipe_is_of_its_systems_schema(name: str, schema: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", CI / name]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_every_command_of_the_recipes_is_there() -> None:
    ours = []
    for words in commands():
        while words[0] == "sudo" or words[0].startswith("--"):
            words = words[1:]
        assert words[0] in SYSTEM or (ROOT / words[0]).is_file(), words
        if words[0] == "./doit":
            ours.append(words[1])
    assert set(ours) == {"list", "verify", "baseline"}
    tasks, commands_ = doit("list", "--quiet").split(), doit("help")
    for name in ours:
        assert name in tasks or re.search(rf"^\s*doit {name}\b", commands_, re.MULTILINE), name


def test_every_report_that_a_recipe_names_is_written() -> None:
    text = "".join((CI / name).read_text() for name in ("github.yml", "gitlab.yml"))
    named = set(re.findall(r"build/report/([\w.-]+)", text))
    assert named == {"verdicts.sarif", "junit.xml", "gl-code-quality.json"}
    assert named < {name for name, _ in report.FORMATS}


def test_sudo_keeps_what_the_annotations_want() -> None:
    (verify,) = [step for step in GITHUB["jobs"]["verify"]["steps"] if step.get("name") == "Verify"]
    assert "--preserve-env=GITHUB_ACTIONS,GITHUB_STEP_SUMMARY" in verify["run"]


def test_reports_are_kept_when_the_job_failed() -> None:
    steps: list[dict[str, Any]] = GITHUB["jobs"]["verify"]["steps"]
    kept = [step for step in steps if step.get("name") in ("Code scanning", "Reports and logs")]
    assert len(kept) == 2 and all("!cancelled()" in step["if"] for step in kept)
    assert GITLAB["verify"]["artifacts"]["when"] == "always"


def test_the_documents_name_every_format() -> None:
    told = (ROOT / "docs/reports.md").read_text()
    assert all(f"| `{name}` |" in told for name, _ in report.FORMATS)


def test_links_of_the_documents_lead_somewhere() -> None:
    for path in DOCS:
        for link in re.findall(r"\]\(([^)#]+)", path.read_text()):
            assert (path.parent / link).exists(), link
