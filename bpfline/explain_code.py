# SPDX-License-Identifier: Apache-2.0
"""bpfline explain BPF012: what a code of the catalogue means."""

from __future__ import annotations

import difflib
import json
import re
import sys
from pathlib import Path

from . import catalogue, diagnosis
from .catalogue import CATALOGUE
from .errors import OK, USAGE, Problem

_CODE = re.compile(r"BPF(\d{1,9})", re.IGNORECASE | re.ASCII)
# A wheel has the pages beside this module, the repository in docs/.
_PAGES = (Path(__file__).parent / "error_pages", Path(__file__).parent.parent / "docs" / "errors")


def named(what: str | None) -> str | None:
    """The code that what is, as the catalogue writes it; None for the name of a log."""
    if what is None or not (found := _CODE.fullmatch(what)) or Path(what).exists():
        return None
    return f"BPF{int(found[1]):03}"


def run(code: str, *, as_json: bool) -> int:
    """Print the page of a code, or its entry for programs to read."""
    print(json.dumps(to_json(code), indent=1)) if as_json else sys.stdout.write(page(code))
    return OK


def to_json(code: str) -> dict[str, object]:
    """A document of docs/explain.schema.json."""
    text = page(code)
    entry = catalogue.by_code(code)
    assert entry is not None  # each entry has a page, and each page an entry: a test holds it
    return {
        "schema": diagnosis.SCHEMA,
        "code": entry.code,
        "title": entry.title,
        "cause": entry.cause,
        "help": entry.remedy,
        "fault": entry.fault,
        "kernels": entry.kernels,
        "page": text,
    }


def page(code: str) -> str:
    """The page of a code, in Markdown."""
    for folder in _PAGES:
        path = folder / f"{code}.md"
        if path.is_file():
            return path.read_text("utf-8")
    raise Problem(f"there is no {code}", where="bpfline explain", help=_instead(code), status=USAGE)


def _instead(code: str) -> str:
    known = [each.code for each in CATALOGUE]
    alike = sorted(difflib.get_close_matches(code, known)) or [known[-1]]
    return f"the codes are {known[0]} to {known[-1]}; like it are {', '.join(alike)}"
