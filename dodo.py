# SPDX-License-Identifier: Apache-2.0
"""The task graph of this repository: what every project imports, and its own tests."""

from bpfline.pipeline import (
    DOIT_CONFIG,
    task_audit,  # what cannot work is found, the programs are linked: build/*/programs/*.insns
    task_baseline,  # verifier-baseline.json, which verify compares with
    task_build,  # the default: every source becomes a bundle
    task_compile,  # bpf_src/*.c to build/*/*.o
    task_config,  # the bundle: build/*/loader.json, loader.c
    task_cost,  # where the verifier spends its work
    task_link,  # objects of several sources
    task_loader,  # the C loader: build/*/loader
    task_sections,  # build/*/sections/*.bin
    task_verify,  # every program goes through the kernel's verifier
    task_vmlinux,  # vmlinux.h, where a source includes it
)
from bpfline.tool_task import module, script, tool

__all__ = [
    "DOIT_CONFIG",
    "task_audit",
    "task_baseline",
    "task_build",
    "task_compile",
    "task_config",
    "task_cost",
    "task_link",
    "task_lint",
    "task_loader",
    "task_sections",
    "task_test",
    "task_verify",
    "task_vmlinux",
]  # fmt: skip


def task_lint():
    """style, types, and that the loader runs on Python 3.9"""
    yield tool("style", module("ruff", "check", "."), doc="ruff check")
    yield tool("format", module("ruff", "format", "--check", "."), doc="ruff format --check")
    yield tool("types", module("mypy", "--cache-dir=build/.mypy"), doc="mypy --strict")
    yield tool(
        "loader", script("vermin", "--target=3.9-", "--no-tips", "--violations", "loader"), doc="vermin"
    )


def task_test():
    """the whole test suite: lint, types and pytest, the kernel's tests among it"""
    doc = "the whole test suite: lint, types and pytest, the kernel's tests among it"
    yield {"name": None, "doc": doc, "task_dep": ["lint"]}
    yield tool("pytest", module("pytest"), doc="pytest", as_root=True)
