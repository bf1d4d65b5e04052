# SPDX-License-Identifier: Apache-2.0
"""An entry of the catalogue: one thing that the kernel says when it refuses a program, and what to do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Fault = Literal["source", "compiler", "limit", "environment"]

# How the verifier names what it speaks of. Up to 7.2 it is a register, for kfuncs an argument's number;
# 7.3 has arguments on the stack too (reg_arg_name, kernel/bpf/verifier.c).
REG = r"(?:R\d+|(?:outgoing )?stack arg.*?)"
ARG = rf"(?:{REG}|arg ?#?\d+)"

ALL = "5.10 to 7.3"  # the kernels whose words were compared: 5.10, 6.1, 6.12, 6.18 and 7.3


@dataclass(frozen=True)
class Entry:
    """code: BPFnnn, never used for anything else. title: what is wrong, in plain words. pattern: found in
    the kernel's words, lines joined by newlines; "^" is a line's begin.

    cause, remedy: sentences. fault: whose it is. kernels: where these words were seen; of other wording
    the entry's page tells. without_example: why no C source beside the tests gives it, "" where one does.
    """

    code: str
    title: str
    pattern: re.Pattern[str]
    cause: str
    remedy: str
    fault: Fault
    kernels: str = ALL
    without_example: str = ""


def entry(
    code: str,
    title: str,
    pattern: str,
    cause: str,
    remedy: str,
    fault: Fault = "source",
    kernels: str = ALL,
    without_example: str = "",
) -> Entry:
    """An Entry whose pattern is matched line by line."""
    compiled = re.compile(pattern, re.MULTILINE)
    return Entry(code, title, compiled, cause, remedy, fault, kernels, without_example)
