# SPDX-License-Identifier: Apache-2.0
"""The real logs in tests/data/verifier-logs, and what of their parse is kept in expected.jsonl.

Run as a program it writes expected.jsonl anew: read the difference before you commit it.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bpfline import verifier_log
from bpfline.verifier_log import events, states

DATA = Path(__file__).with_name("data") / "verifier-logs"
EXPECTED = DATA / "expected.jsonl"

_LOG = re.compile(rb"(?:@@LEVEL(\d) \S+\r?\n)?@@PROG (\S+) err=(-?\d+) [^\n]*\n(.*?\n)\r?\n@@END", re.DOTALL)


@dataclass(frozen=True)
class Log:
    """One log. kernel: "6.12"; level: as asked for; errno: 0 for a program that was accepted."""

    kernel: str
    program: str
    level: int
    errno: int
    data: bytes

    @property
    def name(self) -> str:
        return f"{self.kernel} {self.program} {self.level}"


def fixtures() -> list[Log]:
    """The logs of all kernels, with the kernel's own line ends."""
    return [log for path in sorted(DATA.glob("kernel-*.log")) for log in _logs(path)]


def wrapped(name: str) -> bytes:
    """What a loader printed around a log."""
    return (DATA / name).read_bytes()


def _logs(path: Path) -> Iterator[Log]:
    found = re.match(r"kernel-(\d+\.\d+)", path.name)
    assert found
    for level, program, errno, data in _LOG.findall(path.read_bytes()):
        yield Log(found[1], program.decode(), int(level or 4), -int(errno), data.replace(b"\r\n", b"\n"))


FIXTURES = fixtures()

# What loaders printed of the refused examples of tests/bpf/errors, by file: LOADER-VERSION-CODE.txt.
OF_LOADERS = {path.name: path.read_bytes() for path in sorted(DATA.glob("*-*-BPF*.txt"))}


def fixture(name: str) -> Log:
    return next(log for log in FIXTURES if log.name == name)


def digest(log: bytes) -> dict[str, Any]:
    """What a parse must find, small enough to read."""
    found = list(verifier_log.read(log))
    summary = verifier_log.summary(log)
    counts = verifier_log.count(log)
    traced = [state for event in found if (state := getattr(event, "state", ""))]
    digested = {
        "events": dict(sorted(Counter(type(event).__name__ for event in found).items())),
        "messages": summary.messages,
        "other": [event.text for event in found if isinstance(event, events.Message)],
        "last": summary.insn and [summary.insn.idx, summary.insn.text],
        "source": summary.source and [summary.source.text, summary.source.file, summary.source.lineno],
        "stats": {**dataclasses.asdict(summary.stats), "verification_usec": None},
        "deepest": summary.deepest,
        "subprogs": [list(dataclasses.astuple(subprog)) for subprog in summary.subprogs],
        "kernel": summary.kernel,
        "visits": counts.visits,
        "sources": [[*source, times] for source, times in counts.sources.items()],
        "first_state": traced and _registers(traced[0]),
        "last_state": traced and _registers(traced[-1]),
        "report": summary.report and _report(summary.report),
    }
    kept = {key: value for key, value in digested.items() if value not in (None, [], (), {}, "")}
    return json.loads(json.dumps(kept))  # type: ignore[no-any-return]


def _registers(state: str) -> dict[str, Any]:
    parsed = states.parse(state)
    values = {f"R{number}": value for number, value in parsed.regs.items()}
    values |= {f"fp{offset}": value for offset, value in parsed.stack.items()}
    short: dict[str, Any] = {name: _value(value) for name, value in values.items()}
    for key in ("frame", "refs", "other"):
        if getattr(parsed, key):
            short[key] = getattr(parsed, key)
    return short


def _value(value: states.Value) -> dict[str, Any]:
    said = dataclasses.asdict(dataclasses.replace(value, text=""))
    return {key: what for key, what in said.items() if what or (what == 0 and what is not False)}


def _report(report: verifier_log.Report) -> dict[str, Any]:
    return dataclasses.asdict(dataclasses.replace(report, text=""))


def expected() -> dict[str, Any]:
    rows = map(json.loads, EXPECTED.read_text().splitlines())
    return {row.pop("log"): row for row in rows}


def logs() -> dict[str, bytes]:
    """Every log that expected.jsonl has a line for."""
    found = {log.name: log.data for log in FIXTURES}
    for path in sorted(DATA.glob("*.txt")):
        for number, log in enumerate(verifier_log.unwrap_all(path.read_bytes()), 1):
            found[f"{path.name} {number} {log.program}"] = log.log
    for name in ("poisoned-by-kernel.txt", "btf-refused.txt"):
        found[name] = wrapped(name)
    return found


if __name__ == "__main__":
    lines = [json.dumps({"log": name, **digest(log)}) for name, log in logs().items()]
    EXPECTED.write_text("".join(line + "\n" for line in lines))
