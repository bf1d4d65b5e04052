# SPDX-License-Identifier: Apache-2.0
"""verdicts.csv: the verdicts in veristat's words, for its -C (compare) and -R (replay)."""

from __future__ import annotations

import re

from bpfline_loader.verdict import Verdict

from .results import Result, Results

# Of the columns that veristat 0.4 writes, those that it also reads: at any other it stops with
# "Unrecognized stat" (parse_stat_value; sizes and types are read from Linux 6.15's on). Two that it reads,
# max_states_per_insn and max_mark_read_len, no verdict has.
COLUMNS = (
    *("file_name", "prog_name", "verdict", "duration"),
    *("total_insns", "total_states", "peak_states"),
)
_ENDS_A_CELL = re.compile(r"[,%\x00-\x1f\x7f-\x9f\ud800-\udfff]")
# veristat knows two verdicts; for one that could not be tried there is none to give.
_VERDICTS = {"accepted": "success", "refused": "failure", "unsupported": "failure"}


def render(results: Results) -> bytes:
    several = len(results.kernels) > 1
    rows = [COLUMNS, *(_row(row, several) for row in results.rows if row.verdict.verdict in _VERDICTS)]
    return "".join(",".join(row) + "\n" for row in rows).encode()


def _row(row: Result, several: bool) -> tuple[str, ...]:
    """veristat joins two files by file_name and prog_name, so they must be unique in each."""
    verdict = row.verdict
    name = row.object_file.name if row.object_file else f"{verdict.object}.o"
    folder, slash, _ = verdict.object.rpartition("/")
    file = folder + slash + name
    return (
        _cell(f"{file}@{verdict.kernel}" if several else file),
        _cell(verdict.program),
        _VERDICTS[verdict.verdict],
        *_figures(verdict),
    )


def _figures(verdict: Verdict) -> tuple[str, ...]:
    """0 where the kernel gave none, as in veristat: an empty cell it does not read."""
    figures = (
        verdict.verification_usec, verdict.processed_insns, verdict.total_states, verdict.peak_states
    )  # fmt: skip
    return tuple(str(figure or 0) for figure in figures)


def _cell(text: str) -> str:
    """text with a per cent escape for what ends a cell: veristat splits at commas and knows no quotes."""
    escaped = _ENDS_A_CELL.sub(lambda found: "".join(f"%{byte:02X}" for byte in _bytes(found[0])), text)
    return escaped or "-"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
