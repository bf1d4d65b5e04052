# SPDX-License-Identifier: Apache-2.0
"""vmlinux.h: made once where a source includes it, and made again when what it comes from changes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from bpfline import vmlinux
from conftest import Project

KERNEL = Path("/sys/kernel/btf/vmlinux")
HEADER = "build/vmlinux/vmlinux.h"
SOURCE = """#include {include}
#define SEC(name) __attribute__((section(name), used))
char LICENSE[] SEC("license") = "GPL";
SEC("socket") int {name}(struct __sk_buff *skb) {{ return {value}; }}
"""


@pytest.fixture(scope="module")
def types(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The BTF of a small "kernel", as a file that settings may name: bpftool reads it like the real one's."""
    folder = tmp_path_factory.mktemp("types")
    (folder / "types.c").write_text(
        "#include <linux/bpf.h>\nstruct __sk_buff *skb; enum bpf_attach_type type;\n"
        "typedef unsigned long long u64; u64 number;\n"
    )
    subprocess.run(
        ["clang", "-target", "bpf", "-g", "-O2", "-idirafter", f"/usr/include/{os.uname().machine}-linux-gnu",
         "-c", "types.c", "-o", "types.o"], cwd=folder, check=True,
    )  # fmt: skip
    return folder / "types.o"


def uses(project: Project, name: str, include: str = '"vmlinux.h"', value: str = "0") -> None:
    project.write(f"bpf_src/{name}.bpf.c", SOURCE.format(include=include, name=name, value=value))


def plain(project: Project, name: str) -> None:
    uses(project, name, "<linux/bpf.h>")


def settings(project: Project, vmlinux: object, more: str = "") -> None:
    project.write("pyproject.toml", f"[tool.bpfline]\nvmlinux = {json.dumps(str(vmlinux))}\n{more}")


def test_it_is_made_from_the_running_kernel_when_a_source_includes_it(project: Project) -> None:
    uses(project, "x", value="sizeof(struct task_struct) > 100")
    assert "vmlinux:vmlinux.h" in project.build().ran
    text = project.path(HEADER).read_text()
    assert "struct task_struct {" in text
    assert project.path("build/x/loader.json").exists()


def test_it_is_not_made_where_nothing_includes_it(project: Project) -> None:
    plain(project, "x")
    assert "vmlinux:vmlinux.h" not in project.build().ran
    assert not project.path("build/vmlinux").exists()


def test_a_header_that_includes_it_counts(project: Project, types: Path) -> None:
    settings(project, types, 'include = ["inc"]\n')
    project.write("inc/common.h", '#pragma once\n#include "vmlinux.h"\n')
    uses(project, "x", '"common.h"')
    assert "vmlinux:vmlinux.h" in project.build().ran


@pytest.mark.parametrize("place", ["bpf_src", "inc"])
def test_one_of_the_projects_own_is_taken_instead(project: Project, types: Path, place: str) -> None:
    settings(project, types, 'include = ["inc"]\n')
    project.write(f"{place}/vmlinux.h", "#include <linux/bpf.h>\n")
    uses(project, "x")
    assert "vmlinux:vmlinux.h" not in project.build().ran
    assert f"{place}/vmlinux.h" in project.path("build/x/x.d").read_text()


def test_a_second_build_does_nothing(project: Project, types: Path) -> None:
    settings(project, types)
    uses(project, "x")
    project.build()
    assert not project.build().ran


def test_other_types_rebuild_what_includes_it_and_nothing_else(
    project: Project, types: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "kernel.o"
    shutil.copy(types, mine)
    settings(project, mine)
    uses(project, "x")
    plain(project, "y")
    project.build()
    other = (types.parent / "types.c").read_text() + "struct added { int new; } added;\n"
    (types.parent / "other.c").write_text(other)
    subprocess.run(
        ["clang", "-target", "bpf", "-g", "-O2", "-idirafter", f"/usr/include/{os.uname().machine}-linux-gnu",
         "-c", "other.c", "-o", mine], cwd=types.parent, check=True,
    )  # fmt: skip
    built = project.build()
    assert {"vmlinux:vmlinux.h", "compile:x"} <= set(built.ran)
    assert not {name for name in built.ran if name.endswith(":y")}
    assert built.why["compile:x"] == f"{HEADER} changed"
    assert "struct added" in project.path(HEADER).read_text()


def test_the_same_types_in_another_file_compile_nothing(
    project: Project, types: Path, tmp_path: Path
) -> None:
    settings(project, types)
    uses(project, "x")
    project.build()
    shutil.copy(types, tmp_path / "copy.o")
    settings(project, tmp_path / "copy.o")
    assert set(project.build().ran) == {"vmlinux:vmlinux.h"}


def test_a_header_is_taken_as_it_is(project: Project, tmp_path: Path) -> None:
    header = tmp_path / "kernel-6.1.h"
    header.write_text("#include <linux/bpf.h>\n")
    settings(project, header)
    uses(project, "x", "<vmlinux.h>")
    project.build()
    assert project.path(HEADER).read_text() == header.read_text()


def test_a_header_that_was_removed_is_made_again(project: Project, types: Path) -> None:
    settings(project, types)
    uses(project, "x")
    project.build()
    project.path(HEADER).unlink()
    assert set(project.build().ran) == {"vmlinux:vmlinux.h"}


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (
            None,
            "types: error: cannot be read: No such file or directory\n  help: tool.bpfline.vmlinux names it",
        ),
        (b"no BTF", "types: error: bpftool makes no vmlinux.h of it: "),
    ],
)
def test_what_cannot_become_one_is_said_in_one_line(
    project: Project, tmp_path: Path, made: bytes | None, words: str
) -> None:
    if made is not None:
        (tmp_path / "types").write_bytes(made)
    settings(project, tmp_path / "types")
    uses(project, "x")
    plain(project, "y")
    built = project.build(status=3 if made is None else 2)
    assert words in built.stderr
    assert "compile:y" not in built.uptodate


def test_without_bpftool_one_line_says_what_to_install(project: Project) -> None:
    project.write("pyproject.toml", '[tool.bpfline]\nbpftool = "no-such-bpftool"\n')
    uses(project, "x")
    built = project.build(status=2)
    assert "no-such-bpftool: error: is not installed\n  help: apt install bpftool" in built.stderr


def test_an_object_cannot_be_called_vmlinux(project: Project) -> None:
    plain(project, "vmlinux")
    assert (
        "bpf_src/vmlinux.bpf.c: error: would be built in build/vmlinux, where vmlinux.h goes"
        in project.build(status=3).stderr
    )


def test_the_hosts_architecture_is_named_unless_a_setting_does(project: Project) -> None:
    check = "#if !defined(__TARGET_ARCH_{})\n#error no architecture\n#endif\n"
    names = {"x86_64": "x86", "aarch64": "arm64", "riscv64": "riscv", "s390x": "s390", "ppc64le": "powerpc"}
    plain(project, "x")
    source = project.path("bpf_src/x.bpf.c")
    text = source.read_text()
    source.write_text(check.format(names[os.uname().machine]) + text)
    project.build()
    project.write("pyproject.toml", '[tool.bpfline]\ndefine = ["__TARGET_ARCH_mips"]\n')
    source.write_text(check.format("mips") + text)
    project.build()
    commands = json.loads(project.path("build/compile_commands.json").read_text())
    assert [word for word in commands[0]["arguments"] if "TARGET_ARCH" in word] == ["-D__TARGET_ARCH_mips"]


def test_where_it_comes_from_is_the_running_kernel_by_default() -> None:
    assert vmlinux.KERNEL == KERNEL
    assert KERNEL.exists()
