# SPDX-License-Identifier: Apache-2.0
"""Refusals below the table of doit verify and bpfline verify, at the lines of the user's own sources."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bpf_objects import compile_bpf
from conftest import Project
from test_verify_command import ENVIRONMENT, verify

ERRORS = Path(__file__).parent / "bpf" / "errors"
PACKET = (ERRORS / "BPF006_bad.bpf.c").read_text()
LOOKUP = (ERRORS / "BPF003_bad.bpf.c").read_text()
LOOPS = (ERRORS / "BPF022_bad.bpf.c").read_text()

pytestmark = pytest.mark.kernel


def place_of(text: str, token: str) -> str:
    """line:column of the first place of token in text."""
    number, line = next((n, line) for n, line in enumerate(text.splitlines(), 1) if token in line)
    return f"{number}:{line.index(token) + 1}"


def test_doit_verify_explains_a_refusal_at_its_line_and_column_below_the_table(project: Project) -> None:
    project.write("bpf_src/net/packet.bpf.c", PACKET)
    project.write("bpf_src/fine.bpf.c", (ERRORS / "BPF006_good.bpf.c").read_text())
    out = project.doit("verify", status=1).stdout
    table, _, below = out.partition("\n\n")
    assert "invalid access" not in table
    place = place_of(PACKET, "protocol == 6")
    assert below.startswith(
        "error[BPF006]: packet access is not bounds-checked\n"
        f"  --> bpf_src/net/packet.bpf.c:{place} (program fails, instruction 6)\n"
    )
    assert len(below.splitlines()) <= 15
    again = project.doit("verify", status=1).stdout
    assert "cached" in again and again.partition("\n\n")[2] == below


def test_doit_verify_json_has_code_and_place(project: Project) -> None:
    project.write("bpf_src/packet.bpf.c", PACKET)
    (row,) = json.loads(project.doit("verify", "--json", status=1).stdout)["results"]
    line, column = place_of(PACKET, "protocol == 6").split(":")
    assert row["diagnosis"] == {
        "code": "BPF006",
        "title": "packet access is not bounds-checked",
        "place": {"file": "bpf_src/packet.bpf.c", "line": int(line), "column": int(column)},
        "fault": "source",
    }


def test_bpfline_verify_explains_with_and_without_logs(tmp_path: Path) -> None:
    made = compile_bpf(PACKET)
    for options in ((), ("--log-dir", tmp_path / "logs")):
        out = verify(made, *options, status=1).stdout
        assert (
            "error[BPF006]" in out and f"prog.bpf.c:{place_of(PACKET, 'protocol == 6')} (program fails" in out
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs"]
    (row,) = json.loads(verify("--json", compile_bpf(LOOKUP), status=1).stdout)["results"]
    assert row["diagnosis"]["code"] == "BPF003" and row["log"] is None


def test_a_program_that_took_the_verifier_long_is_explained_without_a_second_load() -> None:
    trace = [sys.executable, "-c", _COUNT_LOADS, "verify", compile_bpf(LOOPS)]
    ended = subprocess.run(trace, env=ENVIRONMENT, capture_output=True, text=True)
    assert "error[BPF022]" in ended.stdout, ended.stderr
    assert ended.stderr.splitlines()[-1] == "loads: 1"


# Counts the loads of the verifier through the function that makes them.
_COUNT_LOADS = """
import sys
from bpfline import cli
from bpfline_loader import object
count, load = 0, object.Object.load
def counted(*args, **options):
    global count
    count += 1
    return load(*args, **options)
object.Object.load = counted
status = cli.main([*sys.argv[1:], "-j", "1"])
print("loads:", count, file=sys.stderr)
"""


def test_an_expected_refusal_is_not_explained(project: Project) -> None:
    project.write("bpf_src/packet.bpf.c", PACKET)
    project.write("pyproject.toml", '[tool.bpfline.program."packet/fails"]\nexpect = "refused"\n')
    assert "error[" not in project.doit("verify").stdout


def test_nothing_of_an_object_is_obeyed_by_the_terminal(tmp_path: Path) -> None:
    evil = PACKET.replace("== 6", "== 6 /* \x1b[2J\u202e */")
    out = verify(compile_bpf(evil), status=1).stdout
    assert "\\x1b[2J\\u202e" in out and "\x1b" not in out


def test_colours_are_used_on_a_terminal_unless_no_color_is_set() -> None:
    made = compile_bpf(PACKET)
    coloured, plain = (_on_a_terminal(made, **more) for more in ({}, {"NO_COLOR": "1"}))
    assert "\x1b[1;31merror[BPF006]\x1b[0m" in coloured
    assert "\x1b" not in plain and "error[BPF006]" in plain


def _on_a_terminal(made: Path, **more: str) -> str:
    """What bpfline verify writes to a terminal."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "bpfline", "verify", str(made)]
    environment = {
        name: value for name, value in ENVIRONMENT.items() if name not in ("NO_COLOR", "FORCE_COLOR")
    }
    with subprocess.Popen(
        command, env=environment | {"TERM": "xterm"} | more, stdout=theirs, stderr=subprocess.DEVNULL
    ) as process:
        os.close(theirs)
        written = b""
        try:
            while data := os.read(ours, 4096):
                written += data
        except OSError:  # EIO: the other side was closed
            pass
        process.wait()
    os.close(ours)
    return written.decode()
