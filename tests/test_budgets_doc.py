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
from conftest import Built, Project

TEXT = (Path(__file__).parent.parent / "docs" / "budgets.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def plain(line: str) -> str:
    """line without what another kernel or clang may put in it: figures, tags, widths of columns."""
    line = line.replace(os.uname().release, "6.18.2")
    line = re.sub(r"\b[0-9a-f]{16}\b", "TAG", line)
    return " ".join(re.sub(r"\d+(?:\.\d+)*", "N", line).split())


def says(words: str, block: str) -> None:
    """The lines of block below its command are those of words, but for what doit says of its tasks."""
    told = [line for line in words.splitlines() if not line.startswith(("--", ".  "))]
    assert list(map(plain, told)) == list(map(plain, block.splitlines()[1:]))


def whole(built: Built) -> str:
    return built.stdout + built.stderr


@pytest.mark.kernel
def test_what_the_page_shows_is_what_happens(project: Project) -> None:
    (source,) = blocks("c")
    expected, budgets, shares = blocks("toml")
    refused, broken, written, since, compared = blocks("console")
    project.write("bpf_src/count.bpf.c", source)
    project.write("pyproject.toml", expected + budgets)
    says(whole(project.doit("verify")), refused)

    project.write("bpf_src/count.bpf.c", source.replace("60", "120"))
    says(whole(project.doit("verify", status=1)), broken)

    project.write("bpf_src/count.bpf.c", source)
    says(project.doit("baseline").stderr, written)
    project.write("bpf_src/count.bpf.c", source.replace("60", "120"))
    says(whole(project.doit("verify", status=1)), since)
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
