# SPDX-License-Identifier: Apache-2.0
"""Incremental, exactly: a build runs what depends on a change, and nothing else.

Each test names the tasks that ran as a whole set, and looks at what came out of them.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

import bpfline
import bpfline_loader
from conftest import Project, ended, make_project

STAGES = ("compile", "sections", "audit", "config", "loader")


def tasks(*names: str, of: tuple[str, ...] = STAGES) -> set[str]:
    return {f"{stage}:{name}" for stage in of for name in names}


# A changed program: all but the C loader, which such a program has none of.
ANEW = STAGES[:-1]


@pytest.fixture(scope="session")
def built_two(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = make_project(tmp_path_factory.mktemp("two"))
    project.settings("one", "two", more='include = ["inc"]')
    project.program("one", "A + DEEP", above='#include "a.h"')
    project.program("two", "B", above="#include <b.h>")
    project.write("inc/a.h", '#include "deep.h"\n#define A 1\n')
    project.write("inc/deep.h", "#define DEEP 40\n")
    project.write("inc/b.h", "#define B 2\n")
    assert project.build().ran == tasks("one", "two")
    assert (project.returned("one"), project.returned("two")) == (41, 2)
    return project


@pytest.fixture
def two(built_two: Project, tmp_path: Path) -> Project:
    """one includes inc/a.h, and that deep.h; two includes inc/b.h. Both are built: what a build
    remembers holds in a copy too."""
    shutil.copytree(built_two.root, tmp_path, dirs_exist_ok=True)
    return Project(tmp_path, built_two.env)


def with_setting(project: Project, line: str) -> None:
    """Add a line to [tool.bpfline]."""
    text = project.path("pyproject.toml").read_text()
    project.write("pyproject.toml", text.replace("[tool.bpfline]\n", f"[tool.bpfline]\n{line}\n", 1))


def test_a_second_build_runs_nothing(two: Project) -> None:
    two.build()
    before = {path: path.stat().st_mtime_ns for path in two.path("build").rglob("*") if path.is_file()}
    second = two.build()
    assert second.ran == set()
    assert second.uptodate == tasks("one", "two")
    after = {path: path.stat().st_mtime_ns for path in two.path("build").rglob("*") if path.is_file()}
    database = two.path("build/.doit.db")
    assert {**after, database: 0} == {**before, database: 0}


def test_a_second_build_on_two_processors_runs_nothing(two: Project) -> None:
    assert two.doit("-n", "2", "build").ran == set()


def test_a_changed_source_is_built_and_nothing_else(two: Project) -> None:
    two.program("two", "7")
    assert two.build().ran == tasks("two", of=ANEW)
    assert (two.returned("one"), two.returned("two")) == (41, 7)
    assert two.build().ran == set()


def test_a_source_whose_program_stays_the_same_goes_no_further_than_the_audit(two: Project) -> None:
    """The object itself changes: its debug information holds a digest of the source."""
    with two.path("bpf_src/two.c").open("a") as file:
        file.write("/* a remark */\n")
    assert two.build().ran == tasks("two", of=("compile", "sections", "audit"))
    assert two.build().ran == set()


def test_a_changed_header_builds_those_that_include_it(two: Project) -> None:
    two.write("inc/b.h", "#define B 3\n")
    built = two.build()
    assert built.ran == tasks("two", of=ANEW)
    assert built.why["compile:two"] == "inc/b.h changed"
    assert two.returned("two") == 3


def test_a_changed_header_of_a_header_builds_those_that_include_it(two: Project) -> None:
    two.write("inc/deep.h", "#define DEEP 50\n")
    assert two.build().ran == tasks("one", of=ANEW)
    assert two.returned("one") == 51


def test_a_change_that_keeps_size_and_time_is_seen(two: Project) -> None:
    """The time alone is not believed for a file that was written just before it was read."""
    header = two.path("inc/b.h")
    header.write_text("#define B 4\n")
    time = header.stat().st_mtime_ns
    assert two.build().ran == tasks("two", of=ANEW)
    header.write_text("#define B 5\n")
    os.utime(header, ns=(time + 1, time + 1))
    assert two.build().ran == tasks("two", of=ANEW)
    assert two.returned("two") == 5


def test_a_header_that_nobody_includes_builds_nothing(two: Project) -> None:
    two.write("inc/unrelated.h", "#define A 9\n")
    assert two.build().ran == set()


def test_a_header_that_is_no_longer_included_builds_nothing(two: Project) -> None:
    two.program("two", "6")
    assert two.build().ran == tasks("two", of=ANEW)
    two.write("inc/b.h", "#error nobody reads this any more\n")
    assert two.build().ran == set()


def test_touching_what_stays_the_same_builds_nothing(two: Project) -> None:
    for path in [
        *two.path("bpf_src").iterdir(),
        *two.path("inc").iterdir(),
        *two.path("build/one").rglob("*"),
    ]:
        os.utime(path, (1, 1))
    assert two.build().ran == set()


# Settings


def test_a_flag_of_the_project_builds_every_object(two: Project) -> None:
    two.settings("one", "two", more='include = ["inc"]\ndefine = ["DEEP2=1"]')
    built = two.build()
    # The objects come out the same, so that nothing behind them runs.
    assert built.ran == tasks("one", "two", of=("compile",))
    assert built.why["compile:one"] == "its settings or tools changed"
    assert two.build().ran == set()


def test_a_flag_of_one_object_builds_that_object(two: Project) -> None:
    two.program("two", "VALUE")
    with two.path("pyproject.toml").open("a") as file:
        file.write('define = ["VALUE=8"]\n')  # the last table is two's
    assert two.build().ran == tasks("two", of=ANEW)
    assert two.returned("two") == 8
    text = two.path("pyproject.toml").read_text()
    two.write("pyproject.toml", text.replace("VALUE=8", "VALUE=9"))
    assert two.build().ran == tasks("two", of=ANEW)
    assert two.returned("two") == 9


def test_another_instruction_set_builds_every_object(two: Project) -> None:
    two.settings("one", "two", more='include = ["inc"]\nmcpu = "v2"')
    assert two.build().ran == tasks("one", "two", of=ANEW)
    assert json.loads(two.path("build/one/loader.json").read_text())["mcpu"] == "v2"


def test_what_only_the_bundle_says_compiles_nothing(two: Project) -> None:
    text = two.path("pyproject.toml").read_text()
    two.write("pyproject.toml", text + 'attach = "syscalls/sys_enter_execve"\n')
    # What is attached has a C loader too.
    assert two.build().ran == {"audit:two", "config:two", "loader:two"}
    (program,) = json.loads(two.path("build/two/loader.json").read_text())["programs"]
    assert program["attach"] == "syscalls/sys_enter_execve"
    assert two.path("build/two/loader").exists()
    # And when it attaches nowhere any more, the C loader and its source go.
    two.write("pyproject.toml", text)
    assert two.build().ran == {"audit:two", "config:two", "loader:two"}
    assert not two.path("build/two/loader").exists()
    assert not two.path("build/two/loader.c").exists()


def test_the_license_of_the_settings_runs_audit_and_config(two: Project) -> None:
    text = two.path("pyproject.toml").read_text()
    head, _, tail = text.rpartition("GPL")
    two.write("pyproject.toml", head + "Dual MIT/GPL" + tail)
    assert two.build().ran == {"audit:two", "config:two"}
    assert json.loads(two.path("build/two/loader.json").read_text())["license"] == "Dual MIT/GPL"


def test_settings_of_other_tools_build_nothing(two: Project) -> None:
    with two.path("pyproject.toml").open("a") as file:
        file.write("# a remark\n[tool.other]\nline = 3\n")
    assert two.build().ran == set()


# Templates, the schema, our own code, the tools


def test_a_template_of_the_project_renders_every_object(two: Project) -> None:
    with_setting(two, 'templates = "t"')
    two.write("t/name.txt.j2", "first {{ bundle.object }}\n")
    assert two.build().ran == tasks("one", "two", of=("config",))
    assert two.path("build/one/name.txt").read_text() == "first one\n"
    assert two.build().ran == set()

    two.write("t/name.txt.j2", "then {{ bundle.object }}\n")
    built = two.build()
    assert built.ran == tasks("one", "two", of=("config",))
    assert built.why["config:one"] == "t/name.txt.j2 changed"
    assert two.path("build/two/name.txt").read_text() == "then two\n"

    two.path("t/name.txt.j2").rename(two.path("t/other.txt.j2"))
    assert two.build().ran == tasks("one", "two", of=("config",))
    assert two.path("build/one/other.txt").exists()
    assert not two.path("build/one/name.txt").exists()
    assert two.build().ran == set()


def test_what_a_template_includes_is_a_dependency(two: Project) -> None:
    with_setting(two, 'templates = "t"')
    two.write("t/x.txt.j2", '{% include "part.txt" %}')
    two.write("t/part.txt", "first")
    two.build()
    two.write("t/part.txt", "second")
    assert two.build().ran == tasks("one", "two", of=("config",))
    assert two.path("build/one/x.txt").read_text() == "second"


@pytest.fixture
def own_bpfline(tmp_path: Path) -> Path:
    """A copy of bpfline and its loader, for tests that change them."""
    copy = tmp_path / "copy"
    for package in (bpfline, bpfline_loader):
        folder = Path(package.__file__).parent
        shutil.copytree(folder, copy / folder.name, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.mark.parametrize(
    ("module", "stages"),
    [
        ("bpfline_loader/bundle.py", ("audit", "config")),
        ("bpfline/templates/loader.json.j2", ("config",)),
        ("bpfline/templates/loader.c.j2", ("config",)),
        ("bpfline/render.py", ("config",)),
        ("bpfline/audit.py", ("audit",)),
        ("bpfline/sections.py", ("sections", "audit", "config")),
        ("bpfline/clang.py", ("compile",)),
        ("bpfline/host_compiler.py", ("loader",)),
        ("bpfline/doctor.py", ()),
        ("bpfline_loader/load.py", ()),
    ],
)
def test_what_bpfline_makes_changes_with_its_own_code(
    tmp_path: Path, own_bpfline: Path, module: str, stages: tuple[str, ...]
) -> None:
    (tmp_path / "project").mkdir()
    project = make_project(tmp_path / "project", PYTHONPATH=str(own_bpfline))
    project.settings("one")
    project.program("one", 1)
    assert project.build().ran == tasks("one")
    with (own_bpfline / module).open("a") as file:
        file.write("{# #}" if module.endswith(".j2") else "# changed\n")
    assert project.build().ran == tasks("one", of=stages)
    assert project.returned("one") == 1
    assert project.build().ran == set()


def wrap(project: Project, name: str, script: str) -> Path:
    """An executable in the project's folder: a shell script."""
    path = project.write(name, "#!/bin/sh\n" + script)
    path.chmod(0o755)
    return path


def test_another_clang_at_the_same_path_builds_everything(two: Project) -> None:
    wrap(two, "tools/clang", 'exec clang "$@"\n')
    text = two.path("pyproject.toml").read_text()
    two.write(
        "pyproject.toml", text.replace("[tool.bpfline]", f'[tool.bpfline]\nclang = "{two.root}/tools/clang"')
    )
    assert two.build().ran == tasks("one", "two", of=("compile",))
    assert two.build().ran == set()
    wrap(two, "tools/clang", 'exec clang -DA=2 -Wno-macro-redefined "$@"\n')
    two.write("inc/a.h", '#include "deep.h"\n#ifndef A\n#define A 1\n#endif\n')
    assert two.build().ran == tasks("one", of=ANEW) | {"compile:two"}
    assert (two.returned("one"), two.returned("two")) == (42, 2)


def test_an_upgraded_clang_behind_a_link_builds_everything(two: Project) -> None:
    wrap(two, "tools/clang-1", 'exec clang "$@"\n')
    wrap(two, "tools/clang-2", 'exec clang -DUPGRADED "$@"\n')
    two.path("tools/clang").symlink_to("clang-1")
    text = two.path("pyproject.toml").read_text()
    two.write(
        "pyproject.toml", text.replace("[tool.bpfline]", f'[tool.bpfline]\nclang = "{two.root}/tools/clang"')
    )
    two.program("two", "VALUE", above="#ifdef UPGRADED\n#define VALUE 2\n#else\n#define VALUE 1\n#endif")
    two.build()
    assert two.returned("two") == 1
    two.path("tools/clang").unlink()
    two.path("tools/clang").symlink_to("clang-2")
    assert two.build().ran == {"compile:one"} | tasks("two", of=ANEW)
    assert two.returned("two") == 2


def test_another_objcopy_dumps_every_object_again(two: Project) -> None:
    wrap(two, "tools/objcopy", 'exec llvm-objcopy "$@"\n')
    text = two.path("pyproject.toml").read_text()
    two.write(
        "pyproject.toml",
        text.replace("[tool.bpfline]", f'[tool.bpfline]\nobjcopy = "{two.root}/tools/objcopy"'),
    )
    assert two.build().ran == tasks("one", "two", of=("sections",))
    assert two.build().ran == set()


# Headers that go and come


def test_a_deleted_header_fails_in_clangs_words_and_comes_back(two: Project) -> None:
    two.path("inc/b.h").rename(two.path("b.h.kept"))
    failed = two.build(status=1)
    assert failed.ran == {"compile:two"}
    assert "bpf_src/two.c:1:10: fatal error: 'b.h' file not found" in failed.stderr
    assert "failed: compile:two" in failed.stderr
    assert two.returned("one") == 41
    again = two.build(status=1)
    assert again.ran == {"compile:two"}
    two.path("b.h.kept").rename(two.path("inc/b.h"))
    # doit forgets a task that failed and those behind it.
    assert two.build().ran == tasks("two")
    assert two.returned("two") == 2
    assert two.build().ran == set()


def test_a_renamed_header_is_built_once(two: Project) -> None:
    two.path("inc/b.h").rename(two.path("inc/c.h"))
    two.program("two", "B", above="#include <c.h>")
    assert two.build().ran == tasks("two", of=("compile", "sections", "audit"))
    assert two.build().ran == set()
    two.write("inc/c.h", "#define B 12\n")
    assert two.build().ran == tasks("two", of=ANEW)
    assert two.returned("two") == 12


@pytest.fixture
def searched(project: Project) -> Project:
    """x.h stands in the last of three folders: the first does not exist, the second is empty."""
    project.settings("one", "two", more='include = ["absent", "empty", "last"]')
    project.program("one", "X", above='#include "x.h"')
    project.program("two", "2")
    project.path("empty").mkdir()
    project.write("last/x.h", "#define X 1\n")
    project.build()
    assert project.returned("one") == 1
    assert project.build().ran == set()
    return project


@pytest.mark.parametrize("folder", ["bpf_src", "absent", "empty"])
def test_a_header_that_newly_shadows_another_is_found(searched: Project, folder: str) -> None:
    searched.write(f"{folder}/x.h", "#define X 3\n")
    built = searched.build()
    assert built.ran == tasks("one", of=ANEW)
    assert built.why["compile:one"] == f"{folder}/x.h appeared"
    assert searched.returned("one") == 3
    assert searched.build().ran == set()
    searched.path(f"{folder}/x.h").unlink()
    assert searched.build().ran == tasks("one", of=ANEW)
    assert searched.returned("one") == 1


def test_a_file_that_shadows_nothing_builds_nothing(searched: Project) -> None:
    searched.write("absent/y.h", "#error\n")
    searched.write("last/sub/x.h", "#error\n")
    assert searched.build().ran == set()


def test_a_header_that_shadows_one_that_a_macro_names_is_found(searched: Project) -> None:
    searched.program("one", "X", above='#define NAME "x.h"\n#include NAME')
    searched.build()
    for folder, value in (("empty", 3), ("absent", 4), ("bpf_src", 5)):
        searched.write(f"{folder}/x.h", f"#define X {value}\n")
        assert searched.build().ran == tasks("one", of=ANEW)
        assert searched.returned("one") == value


def test_a_system_header_can_be_shadowed_too(searched: Project) -> None:
    searched.program("one", "(int)sizeof(__u32)", above="#include <linux/types.h>")
    searched.build()
    assert searched.returned("one") == 4
    # asm/types.h is what linux/types.h includes.
    searched.write("empty/asm/types.h", "typedef char __u32;\n#define __ASSEMBLY__\n")
    assert searched.build().ran == tasks("one", of=ANEW)
    assert searched.returned("one") == 1


def test_a_link_that_leads_nowhere_is_no_header_until_it_leads_somewhere(searched: Project) -> None:
    searched.path("empty/x.h").symlink_to(searched.path("elsewhere.h"))
    searched.build()
    assert searched.build().ran == set()
    searched.write("elsewhere.h", "#define X 6\n")
    assert searched.build().ran == tasks("one", of=ANEW)
    assert searched.returned("one") == 6


def test_a_header_that_only_has_include_asked_for_is_found(searched: Project) -> None:
    searched.program(
        "one", "X", above="#if __has_include(<new.h>)\n#include <new.h>\n#else\n#define X 1\n#endif"
    )
    searched.build()
    assert searched.returned("one") == 1
    searched.write("empty/new.h", "#define X 7\n")
    assert searched.build().ran == tasks("one", of=ANEW)
    assert searched.returned("one") == 7
    searched.path("empty/new.h").unlink()
    assert searched.build().ran == tasks("one", of=ANEW)
    assert searched.returned("one") == 1


def test_a_header_that_has_include_found_and_nobody_read_is_a_dependency(searched: Project) -> None:
    searched.write("empty/flag.h", "")
    searched.program("one", "X", above="#if __has_include(<flag.h>)\n#define X 5\n#else\n#define X 6\n#endif")
    searched.build()
    assert searched.returned("one") == 5
    searched.path("empty/flag.h").unlink()
    assert searched.build().ran == tasks("one", of=ANEW)
    assert searched.returned("one") == 6


def test_include_next_is_followed(searched: Project) -> None:
    searched.write("absent/x.h", "#include_next <x.h>\n#define Y 10\n")
    searched.program("one", "X + Y", above="#include <x.h>")
    searched.build()
    assert searched.returned("one") == 11
    searched.write("empty/x.h", "#define X 5\n")
    assert searched.build().ran == tasks("one", of=ANEW)
    assert searched.returned("one") == 15


def test_a_header_whose_name_holds_a_backslash_is_refused_in_words(two: Project) -> None:
    """clang's depfile has a slash instead: what it names is not there."""
    two.write("inc/a\\b.h", "#define B 5\n")
    two.program("two", "B", above="#include <a\\b.h>")
    refused = two.build(status=2)
    assert "inc/a/b.h: error: was read by clang but is not there" in refused.stderr
    assert two.returned("two") == 2


# Sources that go and come


def test_the_folder_of_a_removed_source_goes(two: Project) -> None:
    two.path("bpf_src/one.c").unlink()
    two.settings("two", more='include = ["inc"]')
    built = two.build()
    assert built.ran == set()
    assert not two.path("build/one").exists()
    assert two.returned("two") == 2
    assert "build/one: its source is gone" in built.stderr


def test_a_renamed_source_is_built_under_its_new_name_alone(two: Project) -> None:
    two.path("bpf_src/one.c").rename(two.path("bpf_src/uno.bpf.c"))
    two.settings("uno", "two", more='include = ["inc"]')
    assert two.build().ran == tasks("uno")
    assert not two.path("build/one").exists()
    assert two.returned("uno") == 41
    # Back again: what was remembered of one does not count, for its folder was removed.
    two.path("bpf_src/uno.bpf.c").rename(two.path("bpf_src/one.c"))
    two.settings("one", "two", more='include = ["inc"]')
    assert two.build().ran == tasks("one", of=ANEW)
    assert two.returned("one") == 41


def test_another_spelling_of_the_same_object_is_built_anew(two: Project) -> None:
    two.path("bpf_src/one.c").rename(two.path("bpf_src/one.bpf.c"))
    assert "compile:one" in two.build().ran
    assert json.loads(two.path("build/one/loader.json").read_text())["source"] == "bpf_src/one.bpf.c"
    assert two.build().ran == set()


def test_only_the_folders_of_removed_sources_go(project: Project) -> None:
    project.settings("net/x", "net/y", "z")
    for name in ("net/x", "net/y", "z"):
        project.program(name, 1)
    assert project.build().ran == tasks("net/x", "net/y", "z")
    kept = ["build/report/report.d", "build/z@clang-19/z@clang-19.d", "build/mine/notes.txt"]
    for name in kept:
        project.write(name, "kept")
    project.path("bpf_src/net/x.c").unlink()
    assert project.build().ran == set()
    assert not project.path("build/net/x").exists()
    assert project.returned("net/y") == 1
    project.path("bpf_src/net/y.c").unlink()
    assert project.build().ran == set()
    assert not project.path("build/net").exists()
    assert project.returned("z") == 1
    assert [name for name in kept if not project.path(name).exists()] == []


def test_a_source_that_becomes_a_folder_and_back(project: Project) -> None:
    project.settings("net", "net/x")
    project.program("net", 1)
    assert project.build().ran == tasks("net")
    project.path("bpf_src/net.c").unlink()
    project.program("net/x", 2)
    assert project.build().ran == tasks("net/x")
    assert not project.path("build/net/net.o").exists()
    assert project.returned("net/x") == 2
    shutil.rmtree(project.path("bpf_src/net"))
    project.program("net", 3)
    assert project.build().ran == tasks("net", of=ANEW)
    assert not project.path("build/net/x").exists()
    assert project.returned("net") == 3


def test_a_removed_source_that_never_compiled_leaves_nothing(project: Project) -> None:
    project.settings("net/bad", "good")
    project.program("good", 1)
    project.program("net/bad", "nonsense")
    project.build(status=1)
    project.path("bpf_src/net/bad.c").unlink()
    assert project.build().ran == set()
    assert {path.name for path in project.path("build").iterdir()} == {
        ".clang.json", ".doit.db", ".gitignore", "compile_commands.json", "good",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        (("x.c", "x.bpf.c"), ("bpf_src/x.c", "bpf_src/x.bpf.c", "gives object 'x'")),
        (("net/x.c", "net/x.bpf.c"), ("bpf_src/net/x.c", "bpf_src/net/x.bpf.c", "gives object 'net/x'")),
        (("net.c", "net/x.c"), ("bpf_src/net.c", "bpf_src/net/x.c", "inside the folder")),
        (("report.c",), ("bpf_src/report.c", "build/report")),
        (("report/x.c",), ("bpf_src/report/x.c", "build/report")),
    ],
)
def test_objects_that_clash_are_refused_before_anything_runs(
    project: Project, sources: tuple[str, ...], words: tuple[str, ...]
) -> None:
    for source in sources:
        project.write(f"bpf_src/{source}", "int x(void) { return 0; }\n")
    refused = project.build(status=3)
    assert refused.ran == set()
    for word in words:
        assert word in refused.stderr
    error, *help_ = refused.stderr.splitlines()
    assert error.startswith("bpf_src/")
    assert len(help_) <= 1
    assert not list(project.path("build").glob("*/"))


# Artifacts


@pytest.mark.parametrize(
    ("artifact", "maker"),
    [
        ("two.o", "compile"),
        ("two.d", "compile"),
        ("sections/text.bin", "sections"),
        ("sections/BTF.bin", "sections"),
        ("programs/two.insns", "audit"),
        ("parts.json", "audit"),
        ("loader.json", "config"),
    ],
)
def test_an_artifact_that_was_changed_by_hand_is_made_again(two: Project, artifact: str, maker: str) -> None:
    path = two.path(f"build/two/{artifact}")
    right = path.read_bytes()
    path.write_bytes(right[:-1] + b"?")
    assert two.build().ran == {f"{maker}:two"}
    assert path.read_bytes() == right
    path.unlink()
    assert two.build().ran == {f"{maker}:two"}
    assert path.read_bytes() == right
    assert two.build().ran == set()


def test_the_c_loader_is_made_again_too(two: Project) -> None:
    text = two.path("pyproject.toml").read_text()
    two.write("pyproject.toml", text + 'attach = "syscalls/sys_enter_execve"\n')
    two.build()
    for name, ran in (("loader", {"loader:two"}), ("loader.c", {"config:two"})):
        path = two.path(f"build/two/{name}")
        right = path.read_bytes()
        path.write_bytes(b"?")
        assert two.build().ran == ran
        assert path.read_bytes() == right
        path.unlink()
        assert two.build().ran == ran
        assert path.read_bytes() == right


def test_a_removed_build_folder_is_made_again(two: Project) -> None:
    shutil.rmtree(two.path("build"))
    assert two.build().ran == tasks("one", "two")
    assert (two.returned("one"), two.returned("two")) == (41, 2)


def test_a_section_that_is_gone_loses_its_file(project: Project) -> None:
    project.settings("one")
    project.program("one", 1, above='char _license[] __attribute__((section("license"))) = "GPL";')
    project.build()
    assert project.path("build/one/sections/license.bin").read_bytes() == b"GPL\0"
    project.program("one", 1)
    assert project.build().ran == tasks("one", of=("compile", "sections", "audit", "config"))
    assert not project.path("build/one/sections/license.bin").exists()


# An input that is saved during its own compile


@pytest.mark.parametrize("earlier", [False, True], ids=["first build", "rebuild"])
@pytest.mark.parametrize("saved", ["bpf_src/one.c", "inc/a.h"])
def test_an_input_saved_during_its_own_compile_is_not_lost(
    project: Project, saved: str, earlier: bool
) -> None:
    """A wrapper around clang saves an input, once, after clang has read it."""
    new = {
        "bpf_src/one.c": '#include "a.h"\nint one(void *ctx) { return A + 100; }\n',
        "inc/a.h": "#define A 101\n",
    }
    project.write("new", new[saved])
    script = f'clang "$@" || exit\ncase "$*" in *one.c*) if [ -e new ]; then mv new {saved}; fi;; esac\n'
    wrap(project, "tools/clang", script)
    project.settings("one", more=f'include = ["inc"]\nclang = "{project.root}/tools/clang"')
    if earlier:
        project.path("new").rename(project.path("later"))
        project.program("one", 7, above='#include "a.h"')
        project.write("inc/a.h", "#define A 0\n")
        project.build()
        project.path("later").rename(project.path("new"))
    project.program("one", "A", above='#include "a.h"')
    project.write("inc/a.h", "#define A 1\n")
    project.build()
    project.build()
    assert not project.path("new").exists()
    assert project.returned("one") == 101
    assert project.build().ran == set()


def test_a_header_that_shadows_another_during_the_compile_is_not_lost(project: Project) -> None:
    script = 'clang "$@" || exit\ncase "$*" in *one.c*) if [ -e new ]; then mv new first/x.h; fi;; esac\n'
    wrap(project, "tools/clang", script)
    project.settings("one", more=f'include = ["first", "last"]\nclang = "{project.root}/tools/clang"')
    project.program("one", "X", above="#include <x.h>")
    project.path("first").mkdir()
    project.write("last/x.h", "#define X 1\n")
    project.write("new", "#define X 2\n")
    project.build()
    project.build()
    assert not project.path("new").exists()
    assert project.returned("one") == 2
    assert project.build().ran == set()


def test_a_source_that_is_saved_all_the_time_is_left_for_the_next_build(project: Project) -> None:
    wrap(project, "tools/clang", 'clang "$@" || exit\ncase "$*" in *one.c*) echo >> bpf_src/one.c;; esac\n')
    project.settings("one", more=f'clang = "{project.root}/tools/clang"')
    project.program("one", 1)
    assert project.build().ran == tasks("one")
    assert "compile:one" in project.build().ran
    assert project.returned("one") == 1


# What stands beside the objects


def test_compile_commands_follow_the_settings(two: Project) -> None:
    two.build()
    path = two.path("build/compile_commands.json")
    commands = json.loads(path.read_text())
    assert [command["file"] for command in commands] == ["bpf_src/one.c", "bpf_src/two.c"]
    for command in commands:
        assert command["directory"] == str(two.root)
        assert {"-target", "bpf", "-g", "-O2", "-Wall", "-mcpu=v3", "-Iinc"} <= set(command["arguments"])
    before = path.stat().st_mtime_ns
    two.build()
    assert path.stat().st_mtime_ns == before
    two.settings("one", "two", more='include = ["inc"]\ncflags = ["-DNEW"]\nmcpu = "v2"')
    two.build()
    for command in json.loads(path.read_text()):
        assert {"-DNEW", "-mcpu=v2"} <= set(command["arguments"])
    two.path("bpf_src/one.c").unlink()
    two.build()
    assert [command["file"] for command in json.loads(path.read_text())] == ["bpf_src/two.c"]


def test_compile_commands_are_there_when_a_source_does_not_compile(project: Project) -> None:
    """That is when somebody needs an editor that knows the flags."""
    project.settings("one")
    project.program("one", "nonsense")
    project.build(status=1)
    (command,) = json.loads(project.path("build/compile_commands.json").read_text())
    assert command["file"] == "bpf_src/one.c"


@pytest.mark.parametrize("name", ["a folder: key=value", 'it\'s "quoted" $HOME #1 \\ %s {}, d*e[f]?'])
def test_objects_are_the_same_bytes_from_any_path(tmp_path: Path, name: str) -> None:
    objects = []
    for folder in (tmp_path / "plain", tmp_path / name):
        folder.mkdir()
        project = make_project(folder)
        project.settings("one", more='include = ["inc dir"]', each='attach = "syscalls/sys_enter_execve"')
        project.write("inc dir/a = b.h", "#define A 5\n")
        project.program("one", "A", above='#include <linux/bpf.h>\n#include "a = b.h"')
        assert project.build().ran == tasks("one")
        assert project.build().ran == set()
        assert project.returned("one") == 5
        objects.append(project.path("build/one/one.o").read_bytes())
        assert str(folder).encode() not in objects[-1]
    assert objects[0] == objects[1]


def test_the_environment_changes_no_object(two: Project) -> None:
    """CPATH and the like are not handed to clang: a build does not depend on who runs it."""
    two.write("other/b.h", "#define B 77\n")
    environment = {**two.env, "CPATH": str(two.path("other")), "LC_ALL": "C", "CFLAGS": "-DB=3"}
    assert two.doit("build", env=environment).ran == set()
    two.program("two", "B + 1", above="#include <b.h>")
    two.doit("build", env=environment)
    assert two.returned("two") == 3


def test_a_build_of_one_object_leaves_the_others_alone(two: Project) -> None:
    two.program("one", 5)
    two.program("two", 6)
    assert two.doit("build:two").ran == tasks("two", of=ANEW)
    assert (two.returned("one"), two.returned("two")) == (41, 6)
    assert two.build().ran == tasks("one", of=ANEW)


def test_a_build_from_a_list_of_started_ones_is_right_with_threads(project: Project) -> None:
    names = [f"p{number}" for number in range(12)]
    project.settings(*names)
    for number, name in enumerate(names):
        project.program(name, number)
    assert ended(project.start("-n", "4", "build"), 0).ran == tasks(*names)
    assert [project.returned(name) for name in names] == list(range(12))
    assert project.build().ran == set()
