# SPDX-License-Identifier: Apache-2.0
"""What may follow the tasks verify, cost and baseline, as `doit help TASK` and `doit TASK --help` show it.
doit_commands.Run takes these options itself: doit would want them between one task and the next."""

from __future__ import annotations

from typing import Any

DOCS = {
    "verify": "every program goes through the kernel's verifier"
              " [--json] [--log MODE] [--set NAME=VALUE] [--again]",
    "cost": "where the verifier spends its work [--prog OBJECT] [--top N] [--json]",
    "baseline": "the verdicts as they are now become verifier-baseline.json, which verify compares with"
                " [--json]",
}  # fmt: skip

_HELP: dict[str, tuple[tuple[str, str], ...]] = {
    "verify": (
        ("json", "print the verdicts as JSON instead of the table"),
        ("log=MODE", "logs to keep: auto, full (every path), short (figures), refused (no others), none"),
        ("set=NAME=VALUE", "a value for a global variable, before it is loaded; as often as needed"),
        ("again", "ask the kernel again where an earlier verdict stands"),
    ),
    "cost": (
        ("prog=OBJECT", "of this object's programs only"),
        ("top=N", "rows of each table (10)"),
        ("json", "print all of it as JSON"),
    ),
    "baseline": (("json", "print what was taken over as JSON"),),
}  # fmt: skip


def params(task: str) -> list[dict[str, Any]]:
    """The options as doit's task dictionaries have them: for `doit help` alone."""
    split = [(*option.partition("="), words) for option, words in _HELP[task]]
    return [
        {"name": name, "long": name, "short": "", "help": words,
         "default": "" if value else False, "type": str if value else bool}
        for name, _, value, words in split
    ]  # fmt: skip


def text(task: str) -> str:
    """What `doit TASK --help` prints."""
    lines = [f"{task}  {DOCS[task]}"]
    lines += [f"  --{option:<24}{words}" for option, words in _HELP[task]]
    return "\n".join(lines)
