# SPDX-License-Identifier: Apache-2.0
"""The build side's errors; each is a Problem: what, where, help and an exit status."""

from bpfline_loader.errors import CLOSED_PIPE, INTERRUPTED, OK, REFUSED, UNABLE, USAGE, Problem, printable

__all__ = [
    "CLOSED_PIPE", "INTERRUPTED", "OK", "REFUSED", "UNABLE", "USAGE", "AuditError", "CompileError",
    "ObjectError", "Problem", "SettingsError", "ToolError", "printable",
]  # fmt: skip


class SettingsError(Problem):
    """The settings, or the sources' names that they rest on, are wrong."""

    status = USAGE


class CompileError(Problem):
    """clang refused a source: its own words, said, were shown already, so this adds one line."""

    status = REFUSED

    def __init__(self, what: str, *, where: object, help: str, said: bytes):  # noqa: A002
        super().__init__(what, where=where, help=help)
        self.said = said


class AuditError(Problem):
    """An object that cannot work, found before the kernel sees it."""

    status = REFUSED


class ObjectError(Problem):
    """A file that is not a BPF object, or a damaged one."""


class ToolError(Problem):
    """A tool is missing, or failed for a reason that is not the source's."""
