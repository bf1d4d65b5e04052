# SPDX-License-Identifier: Apache-2.0
"""A number of things, in words."""

from __future__ import annotations


def counted(number: int, word: str) -> str:
    """`1 state`, `1,000 states`."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"
