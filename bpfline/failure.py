# SPDX-License-Identifier: Apache-2.0
"""A failure: why a build may not pass although the kernel gave a verdict, besides a plain refusal."""

from __future__ import annotations

from dataclasses import dataclass

# Rules, as reports name them (report/findings.py has their titles).
NEWLY_REFUSED = "newly-refused"  # the baseline has the program as accepted
GROWTH = "growth"  # a figure grew by more than its share since the baseline
ACCEPTED = "unexpectedly-accepted"  # the settings say that the program is to be refused
OTHERWISE = "refused-otherwise"  # it is refused, and not for the reason that the settings name


@dataclass(frozen=True)
class Failure:
    rule: str
    words: str

    def __str__(self) -> str:
        return self.words
