# SPDX-License-Identifier: Apache-2.0
"""The task graph of this repository: what every project imports, and its own tests."""

from bpfline.pipeline import (
    DOIT_CONFIG,
    task_audit,  # what cannot work is found, the programs are linked: build/*/programs/*.insns
    task_build,  # the default: every source becomes a bundle
    task_compile,  # bpf_src/*.c to build/*/*.o
    task_config,  # the bundle: build/*/loader.json, loader.c
    task_loader,  # the C loader: build/*/loader
    task_sections,  # build/*/sections/*.bin
    task_verify,  # every program goes through the kernel's verifier
)

__all__ = [
    "DOIT_CONFIG", "task_audit", "task_build", "task_compile", "task_config", "task_loader",
    "task_sections", "task_verify",
]  # fmt: skip
