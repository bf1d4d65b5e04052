# SPDX-License-Identifier: Apache-2.0
"""Results for the tests of reports: one row of each outcome, and names that no format likes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bpfline import failure
from bpfline.budget import Broken
from bpfline.compare import Change, Delta
from bpfline.diagnosis import Diagnosis, Step
from bpfline.failure import Failure
from bpfline.program_lines import Place
from bpfline.report.results import Result, Results
from bpfline_loader.verdict import Verdict

KERNEL = "6.18.0-test"

# Quotes, markup of XML and Markdown, workflow commands, escapes of URIs and CSV, controls, a surrogate.
HOSTILE = (
    "a'b\"c <script>&amp;]]>",
    "x\n::error file=y::z%0A%",
    "| `r` *b* [l](http://h) @all",
    "tab\tnul\0 esc\x1b[31m \x85\u2028\ufffe\udc80",
    'comma, "quoted", {0} {{',
    "../../etc/passwd",
    "-->",
    "ünïcödé \U0001f41d",
)


def verdict(program: str = "main", what: str = "accepted", **fields: Any) -> Verdict:
    given = {"object": "net/x", "section": "tc", "type": "sched_cls", "kernel": KERNEL}
    figures = {} if what in ("error", "unsupported") else {"processed_insns": 16, "total_states": 2}
    return Verdict(program=program, verdict=what, **{**given, **figures, **fields})


def diagnosis(message: str = "R0 invalid mem access 'map_value_or_null'", **fields: Any) -> Diagnosis:
    place = Place("bpf_src/net/x.bpf.c", 10, 9, "\treturn *value;", "main")
    origin = Place("bpf_src/net/x.bpf.c", 9, 17, "\tvalue = bpf_map_lookup_elem(&table, &key);", "main")
    steps = (
        Step(origin, "bpf_map_lookup_elem() returns a value of map table, or NULL", "origin", 6, 20),
        Step(None, "it is used", "change", 7, 22),
    )
    given: dict[str, Any] = {
        "code": "BPF003",
        "title": "the result of a map lookup is not checked for NULL",
        "place": place,
        "steps": steps,
        "cause": "A lookup gives NULL where the map has no such key.",
        "help": "Return when the pointer is NULL.",
        "fault": "source",
    }
    return Diagnosis(message=message, **{**given, **fields})


def result(program: str = "main", what: str = "accepted", **fields: Any) -> Result:
    its = {
        key: fields.pop(key) for key in list(fields) if key != "log" and key in Verdict.__dataclass_fields__
    }
    given = {"source": "bpf_src/net/x.bpf.c", "object_file": Path("build/net/x/x.o")}
    return Result(verdict(program, what, **its), **{**given, **fields})


SLIPPED = Failure(failure.ACCEPTED, "is accepted, and was to be refused")
GROWN = Failure(failure.GROWTH, "processed_insns grew by 60.0 %, over 10 %")


def of_each_kind() -> Results:
    """A row of each outcome, and of each reason to fail."""
    change = Change(
        "net/x/grown", KERNEL, "figures", "accepted", "accepted", (Delta("processed_insns", 10, 16, 60.0),)
    )
    gone = Change("net/x/old", KERNEL, "gone", "accepted", None)
    return Results(
        (
            result("good"),
            result("bad", "refused", errno="EACCES", message="R0 invalid", diagnosis=diagnosis()),
            result("meant", "refused", errno="EACCES", diagnosis=diagnosis(), expected=True),
            result(
                "slipped",
                expected=True,
                failures=(SLIPPED,),
            ),
            result("dear", broken=(Broken("budget.processed_insns", "processed_insns", 16, 10),)),
            result(
                "grown",
                change=change,
                failures=(GROWN,),
            ),
            result("lacking", "unsupported", errno="EINVAL", message="the kernel has no netkit"),
            result("untried", "error", errno="EPERM", message="may not load programs; run it as root"),
        ),
        gone=(gone,),
        baseline="there is a baseline",
    )


def hostile() -> Results:
    """Rows whose every text is hostile."""
    rows = []
    for text in HOSTILE:
        place = Place(f"src/{text}.c", 3, 2, text, text)
        why = diagnosis(
            text, place=place, steps=(Step(place, text, text),), title=text, help=text, cause=text
        )
        for what in ("accepted", "refused", "unsupported", "error"):
            rows.append(
                result(
                    text, what, object=text, section=text, kernel=text, message=text, note=text,
                    source=f"src/{text}.c", diagnosis=why if what == "refused" else None,
                    failures=(Failure(failure.GROWTH, text),),
                )
            )  # fmt: skip
    return Results(tuple(rows), baseline=HOSTILE[0])
