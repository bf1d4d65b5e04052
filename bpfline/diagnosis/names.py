# SPDX-License-Identifier: Apache-2.0
"""The variable that a register's pointer was assigned to, where the source's lines say it beyond doubt.

BTF does not tell which variable a register holds, so this is all that can be had: a line that is one
assignment of a helper's result, `__u64 *value = bpf_map_lookup_elem(&m, &key);`, whose pointer the register
still holds; and a line that uses this variable and no other, as the pointer may be another's by then. A
number may be cut to the variable's type on its way, so it gets no name.
"""

from __future__ import annotations

import re

from . import words
from .path import Path, Visit
from .trace import back

_ASSIGNMENT = re.compile(
    r"\s*(?:(?:struct |const |volatile )*\w+[ *]+)?(?P<name>[A-Za-z_]\w*) ?= ?(?:\([\w ]+\*+\) ?)?"
    r"(?P<helper>\w+)(?P<arguments>\(.*\));\s*(?://.*|/\*.*\*/\s*)?",
    re.ASCII,
)
# Which variables a line reads or writes through: more of them than there are (a product), but none less.
_THROUGH = re.compile(
    r"([A-Za-z_]\w*)[\s)]*(?:->|\[)"  # value->member, ((struct x *)value)->member, value[0]
    r"|\*\s*(?:\([\w\s]+\*+\s*\)\s*|\()*([A-Za-z_]\w*)"  # *value, *(volatile __u64 *)value
    r"|\b__(?:sync|atomic)_\w+\(\s*(?:\([\w\s]+\*+\s*\)\s*)?([A-Za-z_]\w*)\s*,",  # of an atomic operation
    re.ASCII,
)
_CAST = re.compile(r"\([\w\s]+\*+\s*\)(?=\s*[\w(])", re.ASCII)
_SETS = re.compile(r"(?<![=!<>])=(?!=)|\+\+|--")
_SAME = frozenset({"move", "store", "fill", "check"})  # what leaves a value as it is


def called(path: Path, at: int, reg: int) -> str:
    """How to call what is in reg, which visit at uses or checks: `value` (R0), or R0 alone."""
    name = _variable(path, at, reg)
    return f"`{name}` (R{reg})" if name and _is_named(path, at, reg, name) else f"R{reg}"


def _variable(path: Path, at: int, reg: int) -> str:
    """The one that the value was assigned to when it was new."""
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
    name = line["name"]
    since = path.visits[origin.at + 1 : at]
    return "" if any(each.idx == visit.idx or _assigns(each, visit, name) for each in since) else name


def _assigns(visit: Visit, origin: Visit, name: str) -> bool:
    """Whether a visit after origin is of another line that gives the variable another value."""
    if visit.source is None or origin.source is None or visit.source.text == origin.source.text:
        return False
    # `u64 *p = ...` and `p = ...`, but not `*p = ...`
    sets = (
        rf"(?:\w\s*\*[\s*]*|(?:^|[^\w*\s])\s*|\w\s+)\b{name}\s*(?:[-+]?=(?!=)|\+\+|--)|(?:\+\+|--)\s*{name}\b"
    )
    return re.search(sets, visit.source.text, re.ASCII) is not None


def _is_named(path: Path, at: int, reg: int, name: str) -> bool:
    """Whether the line of visit at uses, or checks, this variable and no other."""
    visit = path.visits[at]
    if visit.source is None:
        return False
    op, text = visit.op, visit.source.text
    if op.kind == "branch":
        is_it = rf".*\b(?:if|while) ?\( ?!? ?{name}(?: ?[!=]= ?(?:NULL|0|\(void ?\*\) ?0))? ?\).*"
        return re.fullmatch(is_it, text, re.ASCII) is not None and text.count("if") < 2
    if op.kind in ("helper", "enter"):
        return _argument(text, op.name, reg) == name
    if op.kind == "store" and (sets := list(_SETS.finditer(text))):
        text = text[: sets[-1].start()]  # what is written to stands on the left
    return {next(filter(None, each.groups())) for each in _THROUGH.finditer(text)} == {name}


def _argument(text: str, helper: str, reg: int) -> str:
    """What a line that has one call of helper, of plain arguments, gives it in reg."""
    found = re.findall(rf"\b{helper}\(([^()]*)\)", _CAST.sub("", text), re.ASCII) if helper else []
    arguments = found[0].split(",") if len(found) == 1 else []
    return arguments[reg - 1].strip() if 0 < reg <= len(arguments) else ""


def _is_one(text: str) -> bool:
    """Whether text is one pair of parentheses with what is in them, and nothing that may hide one."""
    depth = 0
    for index, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if depth == 0:
            return index == len(text) - 1 and not set("\"';") & set(text)
    return False
