# SPDX-License-Identifier: Apache-2.0
"""docs/budgets.md is true: its settings are read, and its commands say what it shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bpfline import settings
from conftest import Project

TEXT = (Path(__file__).parent.parent / "docs" / "budgets.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def plain(line: str) -> str:
    """line without what another kernel or clang may put in it: figures, tags, widths of columns."""
    line = line.replace(os.uname().release, "6.18.2")
    line = re.sub(r"\b[0-9a-f]{16}\b", "TAG", line)
    return " ".join(re.sub(r"\d+(?:\.\d+)*", "N", line).split())


def says(words: str, block: str) -> None:
    """Every line of block below its command stands in words, in that order."""
    found = iter(map(plain, words.splitlines()))
    for line in filter(None, map(plain, block.splitlines()[1:])):
        assert line in found, f"{line!r} is not, or not there, in\n{words}"


@pytest.mark.kernel
def test_what_the_page_shows_is_what_happens(project: Project) -> None:
    (source,) = blocks("c")
    expected, budgets, shares = blocks("toml")
    refused, broken, written, since, compared = blocks("console")
    project.write("bpf_src/count.bpf.c", source)
    project.write("pyproject.toml", expected + budgets)
    says(project.doit("verify").stdout, refused)

    project.write("bpf_src/count.bpf.c", source.replace("60", "120"))
    says(project.doit("verify", status=1).stderr, broken)

    project.write("bpf_src/count.bpf.c", source)
    says(project.doit("baseline").stderr, written)
    project.write("bpf_src/count.bpf.c", source.replace("60", "120"))
    built = project.doit("verify", status=1)
    says(built.stdout + built.stderr, since)
    ended = subprocess.run(
        [sys.executable, "-m", "bpfline", *compared.splitlines()[0].split()[2:]],
        cwd=project.root, capture_output=True, text=True,
    )  # fmt: skip
    says(ended.stdout, compared)

    project.write("pyproject.toml", shares)
    assert settings.read(project.root).baseline == settings.BaselineSettings(growth=10, jited_bytes=25)
    project.write("bpf_src/count.bpf.c", source.replace("return *(volatile int *)8", "return 0"))
    project.write("pyproject.toml", expected)
    shown = [line.strip() for line in TEXT.splitlines() if line.startswith("    count/leak")]
    assert shown[0] in project.doit("verify", status=1).stderr
    project.write("bpf_src/count.bpf.c", source)
    project.write("pyproject.toml", expected.replace("BPF002", "BPF001"))
    assert shown[1].replace("BPF001", "BPF_").replace("BPF002", "BPF001").replace("BPF_", "BPF002") in (
        project.doit("verify", status=1).stderr
    )
