# SPDX-License-Identifier: Apache-2.0
"""The budget: what a program may cost, and by how much it costs more."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from bpfline_loader.load import ACCEPTED
from bpfline_loader.verdict import Verdict

from .settings import BudgetSettings, Settings

# BPF_COMPLEXITY_LIMIT_INSNS (linux/bpf.h): the instructions that the verifier processes at most, commit
# c04c0d2b968a (in v5.2).
LIMIT = 1_000_000

_SHARE = "limit_share"


@dataclass(frozen=True)
class Broken:
    """A budget that was broken. setting: its key below [tool.bpfline]. figure: the verdict's, its value,
    and the most that it may be, all in the setting's unit."""

    setting: str
    figure: str
    value: float
    limit: float

    def __str__(self) -> str:
        if self.setting.endswith(_SHARE):
            return (
                f"{self.figure} is {self.value:.4g} % of the kernel's limit of {LIMIT:,}, "
                f"over the budget of {self.limit:g} % ({self.setting})"
            )
        over = self.value - self.limit
        percent = f" ({100 * over / self.limit:.1f} %)" if self.limit else ""
        limit = f"over the budget of {self.limit} ({self.setting}) by {over}"
        return f"{self.figure} is {self.value}, {limit}{percent}"


def name(verdict: Verdict) -> str:
    """How settings name the program of verdict."""
    return f"{verdict.object}/{verdict.program}"


def broken(verdict: Verdict, settings: Settings) -> list[Broken]:
    """The budgets that the program of verdict breaks, in the order of the settings. A program that was
    not accepted breaks none: its figures tell where the verifier stopped."""
    found = []
    for key, setting, limit in _limits(verdict, settings):
        value = _value(verdict, key)
        if value is not None and value > limit:
            found.append(Broken(setting, _figure(key), value, limit))
    return found


def unknown(verdict: Verdict, settings: Settings) -> list[str]:
    """The figures that have a budget and that the kernel did not give."""
    found = [_figure(key) for key, *_ in _limits(verdict, settings) if _value(verdict, key) is None]
    return list(dict.fromkeys(found))


def _limits(verdict: Verdict, settings: Settings) -> list[tuple[str, str, float]]:
    """(key, setting, limit) of each budget of an accepted program: its own, else the project's."""
    if verdict.verdict != ACCEPTED:
        return []
    own = settings.of_program(name(verdict)).budget
    found = []
    for key in (field.name for field in dataclasses.fields(BudgetSettings)):
        if (limit := getattr(own, key)) is not None:
            found.append((key, f'program."{name(verdict)}".budget.{key}', limit))
        elif (limit := getattr(settings.budget, key)) is not None:
            found.append((key, f"budget.{key}", limit))
    return found


def _figure(key: str) -> str:
    return "processed_insns" if key == _SHARE else key


def _value(verdict: Verdict, key: str) -> float | None:
    value: int | None = getattr(verdict, _figure(key))
    return value * 100 / LIMIT if key == _SHARE and value is not None else value
