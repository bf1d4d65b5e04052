# SPDX-License-Identifier: Apache-2.0
"""The variable that a register's pointer was assigned to, where the source's line says it beyond doubt.

BTF does not tell which variable a register holds, so this is all that can be had: a line that is one
assignment of a helper's result, `__u64 *value = bpf_map_lookup_elem(&m, &key);`, whose pointer the register
still holds. A number may be cut to the variable's type on its way, so it gets no name.
"""

from __future__ import annotations

import re

from . import words
from .path import Path
from .trace import back

_ASSIGNMENT = re.compile(
    r"\s*(?:(?:struct |const |volatile )*\w+[ *]+)?(?P<name>[A-Za-z_]\w*) ?= ?(?:\([\w ]+\*+\) ?)?"
    r"(?P<helper>\w+)(?P<arguments>\(.*\));\s*(?://.*|/\*.*\*/\s*)?",
    re.ASCII,
)
_SAME = frozenset({"move", "store", "fill", "check"})  # what leaves a value as it is


def called(path: Path, at: int, reg: int) -> str:
    """How to call what is in reg before visit at: `value` (R0), or R0 alone."""
    name = _variable(path, at, reg)
    return f"`{name}` (R{reg})" if name else f"R{reg}"


def _variable(path: Path, at: int, reg: int) -> str:
    frame = path.visits[at].frame
    found = back(path, at, reg, frame)
    if not found or found[0].kind != "helper" or any(each.frame != frame for each in found):
        return ""
    origin, *others = found
    if any(each.kind not in _SAME for each in others):
        return ""
    visit = path.visits[origin.at]
    value = path.value(origin.at + 1, 0, frame)
    if visit.source is None or value is None or not words.is_pointer(value):
        return ""
    line = _ASSIGNMENT.fullmatch(visit.source.text)
    if line is None or line["helper"] != visit.op.name or not _is_one(line["arguments"]):
        return ""
    return line["name"]


def _is_one(text: str) -> bool:
    """Whether text is one pair of parentheses with what is in them, and nothing that may hide one."""
    depth = 0
    for index, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if depth == 0:
            return index == len(text) - 1 and not set("\"';") & set(text)
    return False
