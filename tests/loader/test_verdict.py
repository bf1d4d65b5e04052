# SPDX-License-Identifier: Apache-2.0
"""verdict.json, written and read back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bpfline_loader import verdict
from bpfline_loader.verdict import Verdict

ROWS = [
    Verdict("x", "main", ".text", "tracepoint", "6.18", "accepted", processed_insns=2, tag="0" * 16, key="k"),
    Verdict(
        "net/x", "\udcff\n", "xdp", "xdp", "6.18", "refused", "EACCES", message="R0 !read_ok", cached=True
    ),
]
FIELDS = [
    "object", "program", "section", "type", "kernel", "verdict", "errno", "processed_insns", "total_states",
    "peak_states", "stack_depth", "verification_usec", "xlated_bytes", "jited_bytes", "tag", "cached", "log",
    "clang", "mcpu", "message",
]  # fmt: skip


def test_what_is_written_is_what_is_read_back(tmp_path: Path) -> None:
    (tmp_path / "v").write_bytes(verdict.encode(ROWS))
    assert verdict.read(tmp_path / "v") == ROWS


def test_the_fields_that_users_rely_on_are_there() -> None:
    whole = verdict.to_json(ROWS)
    assert whole["schema"] == 1
    assert [list(row)[: len(FIELDS)] for row in whole["results"]] == [FIELDS, FIELDS]


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"\xff",
        b"[]",
        b"null",
        b'{"schema": 1}',
        b'{"schema": 1, "results": [{}]}',
        b'{"schema": 1, "results": [7]}',
        b'{"schema": 1, "results": 7}',
        b"[" * 100_000,
        verdict.encode(ROWS)[:-20],
        verdict.encode(ROWS).replace(b'"schema": 1', b'"schema": 2'),
        verdict.encode(ROWS).replace(b'"processed_insns": 2', b'"processed_insns": "2"'),
        verdict.encode(ROWS).replace(b'"message"', b'"massage"'),
        json.dumps({"schema": 1, "results": [{**verdict.to_json(ROWS)["results"][0], "more": 1}]}).encode(),
    ],
)
def test_a_damaged_file_holds_no_verdicts(tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / "v").write_bytes(damaged)
    assert verdict.read(tmp_path / "v") == []


def test_where_no_file_can_be_read_there_are_no_verdicts(tmp_path: Path) -> None:
    assert verdict.read(tmp_path / "missing") == verdict.read(tmp_path) == []
