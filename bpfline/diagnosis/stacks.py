# SPDX-License-Identifier: Apache-2.0
"""Where a chain of calls needs too much stack: its functions, and what each takes of it."""

from __future__ import annotations

import dataclasses
import re

from ..cost import Cost
from .model import Diagnosis, Step

CODES = ("BPF020",)
_CHAIN = re.compile(r"^combined stack size of (\d{1,9}) calls is (\d{1,9})\.", re.MULTILINE | re.ASCII)
_MOST = 8  # functions that are named


def of(found: Diagnosis, cost: Cost) -> Diagnosis:
    """found, with the functions that take most; as it is where the log does not tell what each takes."""
    taking = [each for each in cost.functions if each.stack]
    largest = sorted(taking, key=lambda each: -(each.stack or 0))[:_MOST]
    if not largest:
        return found
    sizes = [f"{each.name}() {each.stack}" for each in taking if each in largest]
    said = _CHAIN.search(found.message)
    if said and int(said[1]) == len(taking) == len(largest):
        label = f"{' + '.join(sizes)} bytes of stack: {said[2]} as the verifier rounds them up"
    else:  # which of them the chain has the verifier does not say
        label = f"{found.label}; the program's largest: {', '.join(sizes)}"
    steps = (
        Step(each.place, f"{each.name}() takes {each.stack} bytes of the stack", "call")
        for each in taking
        if each in largest and each.place
    )
    return dataclasses.replace(found, label=label, steps=tuple(steps))
