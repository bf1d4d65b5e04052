# SPDX-License-Identifier: Apache-2.0
"""The reports: what each tool of a CI system, and people, read of the results (docs/reports.md)."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from pathlib import Path

from bpfline_loader.files import write_whole

from .. import watch
from ..errors import OK, UNABLE, Problem
from ..project import BUILD, REPORT
from ..terminal import say
from .results import Results, of_project

__all__ = ["FOLDER", "FORMATS", "Results", "of_project", "write"]

FOLDER = BUILD / REPORT  # of a project

# The file of each report, and the module whose render() gives its bytes.
FORMATS = (
    ("verdicts.json", "verdicts_json"),
    ("verdicts.csv", "veristat_csv"),
    ("junit.xml", "junit"),
    ("verdicts.sarif", "sarif"),
    ("gl-code-quality.json", "gitlab"),
    ("summary.md", "summary"),
    ("index.html", "html"),
)


def write(results: Results, folder: Path, environ: Mapping[str, str] = os.environ) -> int:
    """Write every report to folder, each whole or not at all; inside GitHub Actions also annotate.

    One that fails is said and does not lose the others. Gives the exit status that this asks for.
    """
    status = OK
    for name, module in FORMATS:
        try:
            with watch.doing(f"report: {name}"):
                made = importlib.import_module(f".{module}", __package__).render(results)
            write_whole(folder / name, made)
        except Problem as problem:
            say(str(problem))
            status = UNABLE
        except Exception as error:  # a fault of ours in one report is none of the others'
            say(f"{folder / name}: error: could not be made: {type(error).__name__}: {error}")
            status = UNABLE
    if environ.get("GITHUB_ACTIONS") == "true":
        status = max(status, _tell_github(results, environ))
    return status


def _tell_github(results: Results, environ: Mapping[str, str]) -> int:
    from . import github

    # The runner reads commands from both streams; standard output may be JSON that somebody parses.
    if words := github.commands(results).removesuffix("\n"):
        say(words)
    try:
        github.add_summary(results, environ)
    except OSError as error:
        say(f"{error.filename}: warning: the step's summary cannot be written: {error.strerror}")
    return OK
