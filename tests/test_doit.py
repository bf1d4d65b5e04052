# SPDX-License-Identifier: Apache-2.0
"""doit as people type it in a project of bpfline's, and in one that has nothing to do with bpfline."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bpfline.pipeline import __all__ as exported
from conftest import NOBODY, Project, ended, make_project

STAGES = ("compile", "sections", "audit", "config", "loader")


def tasks(*names: str) -> set[str]:
    return {f"{stage}:{name}" for stage in STAGES for name in names}


@pytest.fixture(scope="session")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = make_project(tmp_path_factory.mktemp("built"))
    project.settings("one", "net/two")
    project.program("one", 1)
    project.program("net/two", 2)
    project.build()
    return project


@pytest.fixture
def built(built_once: Project, tmp_path: Path) -> Project:
    """Objects one and net/two, built."""
    shutil.copytree(built_once.root, tmp_path, dirs_exist_ok=True)
    return Project(tmp_path, built_once.env)


def entries(project: Project) -> set[str]:
    return {path.name for path in project.path("build").iterdir()}


# What doit prints


def test_list_has_each_task_with_what_it_does_on_a_line_that_fits(built: Project) -> None:
    lines = built.doit("list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == sorted(
        name.removeprefix("task_") for name in exported if name.startswith("task_")
    )
    for line in lines:
        name, _, doc = line.partition(" ")
        assert len(doc.strip()) > 20, f"{name} says nothing"
        assert len(line) <= 110


def test_list_all_names_the_objects_and_their_files(built: Project) -> None:
    listed = dict(line.split(maxsplit=1) for line in built.doit("list", "--all").stdout.splitlines())
    assert set(listed) >= tasks("one", "net/two") | {"build:one", "verify:net/two"}
    assert listed["compile:net/two"] == "bpf_src/net/two.c to build/net/two/two.o"


def test_info_says_why_a_task_would_run(built: Project) -> None:
    assert "status     : up-to-date" in built.doit("info", "compile:one").stdout
    built.program("one", 5)
    stale = built.doit("info", "compile:one", status=1).stdout
    assert "- bpf_src/one.c changed" in stale
    assert " at 0x" not in stale, "no addresses of Python objects"


def test_forget_makes_all_run_again_or_what_it_was_told(built: Project) -> None:
    built.doit("forget")
    assert built.build().ran == tasks("one", "net/two")
    built.doit("forget", "compile:one")
    assert built.build().ran == {"compile:one"}


def test_the_console_and_json_reporters_still_work(built: Project) -> None:
    built.program("one", 5)
    console = built.doit("-r", "console", "build").stdout.splitlines()
    assert ".  compile:one" in console
    assert "-- compile:net/two" in console
    built.program("one", 6)
    report = json.loads(built.doit("-r", "json", "build").stdout)
    results = {task["name"]: task["result"] for task in report["tasks"]}
    assert (results["compile:one"], results["compile:net/two"]) == ("success", "up-to-date")


@pytest.mark.parametrize("reporter", ["console", "json", "zero", "error-only", "executed-only"])
def test_the_exit_status_is_the_same_with_every_reporter(built: Project, reporter: str) -> None:
    built.program("one", "nonsense")
    failed = built.doit("-r", reporter, "build", status=1)
    words = failed.stderr
    if reporter == "json":  # which keeps what is written meanwhile
        words = json.loads(failed.stdout)["err"]
    assert "bpf_src/one.c:2:29: error: use of undeclared identifier 'nonsense'" in words


def test_doit_by_itself_builds(project: Project) -> None:
    project.settings("one")
    project.program("one", 1)
    assert project.doit().ran == tasks("one")
    assert project.returned("one") == 1


def test_two_at_a_time_build_the_same(built: Project) -> None:
    one = {path.name: path.read_bytes() for path in built.path("build").rglob("*.o")}
    shutil.rmtree(built.path("build"))
    assert built.doit("-n", "2", "build").ran == tasks("one", "net/two")
    assert {path.name: path.read_bytes() for path in built.path("build").rglob("*.o")} == one


@pytest.mark.parametrize("target", ["build:net/two", "build/net/two/loader.json", "config:net/two"])
def test_one_object_or_file_can_be_asked_for(built: Project, target: str) -> None:
    built.program("one", 5)
    built.program("net/two", 6)
    ran = built.doit(target).ran
    assert "compile:net/two" in ran
    assert ran <= tasks("net/two")
    assert built.path("build/net/two/programs/two.insns").read_bytes()[4] == 6
    assert built.returned("one") == 1


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["serial", "-n 2"])
def test_one_source_that_fails_does_not_stop_the_others(built: Project, options: tuple[str, ...]) -> None:
    built.program("one", "nonsense")
    built.program("net/two", 7)
    failed = built.doit(*options, "build", status=1)
    assert failed.ran == {"compile:one"} | tasks("net/two") - {"loader:net/two"}
    assert built.returned("net/two") == 7
    assert built.returned("one") == 1, "what was built before is left as it was"
    assert "bpf_src/one.c: error: does not compile\n  help: clang's messages are above\n" in failed.stderr
    assert failed.stderr.splitlines()[-1] == "failed: compile:one"
    built.program("one", 8)
    assert "compile:one" in built.build().ran
    assert built.returned("one") == 8


def test_what_bpfline_could_not_do_outranks_a_source_that_does_not_compile(built: Project) -> None:
    built.program("one", "nonsense")
    built.settings("one", "net/two", more='objcopy = "no-such-objcopy"')
    failed = built.build(status=2)
    assert "no-such-objcopy: error: is not installed" in failed.stderr
    assert "failed: compile:one, sections:net/two" in failed.stderr


def test_tasks_of_a_projects_own_stand_beside_ours(built: Project) -> None:
    own = 'def task_own():\n    return {"actions": ["echo $((6 * 7))", "exit %d"], "verbosity": 2}\n'
    built.write("dodo.py", "from bpfline.pipeline import *\n" + own % 0)
    assert built.doit("own").stdout == "42\n"
    assert built.build().ran == set()
    built.write("dodo.py", "from bpfline.pipeline import *\n\n" + own % 1)
    assert "failed: own" in built.doit("own", "build", status=1).stderr


# clean


def test_clean_empties_the_build_folder_but_for_its_gitignore(built: Project) -> None:
    built.write("build/report/index.html", "?")
    built.write("build/stray", "?")
    built.path("build/link").symlink_to(built.path("bpf_src"))
    before = entries(built)
    assert {".gitignore", ".doit.db", "one", "net", "report", "stray", "link"} <= before

    dry = built.doit("clean", "-n").stdout
    assert entries(built) == before
    assert "removing build/one (dry run)" in dry

    assert "removing build/one\n" in built.doit("clean").stdout
    assert entries(built) == {".gitignore"}
    assert built.path("bpf_src/one.c").exists(), "a link is removed, not what it leads to"
    built.doit("clean")
    assert built.build().ran == tasks("one", "net/two")


def test_clean_of_a_task_removes_its_targets_alone(built: Project) -> None:
    built.doit("clean", "compile:one")
    assert not built.path("build/one/one.o").exists()
    assert built.path("build/one/loader.json").exists()
    assert built.build().ran == {"compile:one"}


@pytest.mark.parametrize("as_root", [True, False])
def test_clean_where_nothing_was_built_is_no_error(project: Project, as_root: bool) -> None:
    become = () if as_root or os.geteuid() else NOBODY
    for folder in (project.root, *project.root.parents[:2]) if become else ():
        folder.chmod(0o755)
    if become:
        os.chown(project.root, 65534, 65534)
    project.doit("clean", before=become)
    assert entries(project) == {".gitignore"}


# Mistakes at the command line


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("compil:one",), ("compil:one", "did you mean 'compile:one'")),
        (("nonsense",), ("nonsense", "known are audit, baseline, build, compile")),
        (("list", "nonsense"), ("nonsense", "known are audit")),
        (("info", "nonsense"), ("nonsense", "known are audit")),
        (("info",), ("one", "doit help info")),
        (("clean", "compile:on"), ("compile:on", "did you mean 'compile:one'")),
        (("forget", "nonsense"), ("nonsense", "known are audit")),
        (("--nonsense",), ("--nonsense", "doit help run")),
        (("run", "--nonsense"), ("--nonsense", "doit help run")),
        (("list", "--nonsense"), ("--nonsense", "doit help list")),
        (("-n", "x", "build"), ("'x'", "doit help run")),
        (("run", "--for", "x"), ("'x' is no number of seconds", "doit help run")),
        (("run", "--for", "-1"), ("'-1' is no number of seconds", "doit help run")),
        (("run", "--for", "nan"), ("'nan' is no number of seconds", "doit help run")),
        (("run", "--prog", "on"), ("there is no object 'on'", "did you mean 'one'")),
        (("build", "--prog", "one"), ("--prog", "doit help run")),
        (("--prog", "one"), ("--prog", "doit run --for 5")),
        (("verify", "--log", "nonsense"), ("nonsense",)),
    ],
)
def test_a_wrong_command_line_is_one_line_with_help_and_status_3(
    built: Project, command: tuple[str, ...], words: tuple[str, ...]
) -> None:
    refused = built.doit(*command, status=3)
    assert refused.stdout == ""
    error, *help_ = refused.stderr.splitlines()
    assert "error: " in error
    assert len(help_) <= 1, refused.stderr
    assert all(line.startswith("  help: ") for line in help_)
    for word in words:
        assert word in refused.stderr
    assert max(map(len, refused.stderr.splitlines())) < 250


@pytest.mark.parametrize(
    ("dodo", "word"),
    [
        ("from bpfline.pipeline import *\ndef task_x():\n    return {'nonsense': 1}\n", "nonsense"),
        ("from bpfline.pipeline import *\ndef task_list():\n    return {'actions': []}\n", "list"),
    ],
)
def test_a_wrong_task_of_a_projects_own_is_said_in_a_line(built: Project, dodo: str, word: str) -> None:
    built.write("dodo.py", dodo)
    assert word in built.build(status=3).stderr


# A project elsewhere


@pytest.mark.parametrize("name", ["plain", "with space", "quo\"te's", "key=value", "#hash $HOME \\ %s"])
def test_an_empty_folder_becomes_a_project_with_two_lines(tmp_path: Path, name: str) -> None:
    root = tmp_path / name
    root.mkdir()
    project = make_project(root)
    project.write("dodo.py", '"""Our programs."""\nfrom bpfline.pipeline import *\n')
    project.write(
        "pyproject.toml",
        '[tool.bpfline]\nsources = "src"\ninclude = ["src/in clude"]\n'
        '[tool.bpfline.object.hello]\ntype = "tracepoint"\nattach = "sched/sched_switch"\nlicense = "GPL"\n',
    )
    project.write("src/in clude/a.h", "#define A 6\n")
    project.write("src/hello.bpf.c", "#include <a.h>\nint hello(void *ctx) { return A; }\n")
    project.path("bpf_src").rmdir()
    assert project.doit().ran == tasks("hello")
    assert project.returned("hello") == 6
    described = json.loads(project.path("build/hello/loader.json").read_text())
    assert described["programs"][0]["attach"] == "sched/sched_switch"
    assert project.path("build/.gitignore").read_text() == "*\n!.gitignore\n"
    assert project.doit().ran == set()
    assert not list(root.glob(".*")), "nothing but build/ is written to"


def test_doit_finds_the_project_from_a_folder_below_and_from_elsewhere(built: Project) -> None:
    assert ended(built.start("-k", cwd=built.path("bpf_src/net")), 0).uptodate == tasks("one", "net/two")
    elsewhere = built.start("-f", str(built.path("dodo.py")), "build", cwd="/")
    assert ended(elsewhere, 0).uptodate == tasks("one", "net/two")


def test_a_project_without_sources_says_so(project: Project) -> None:
    assert project.build().ran == set()
    refused = project.doit("run", status=3).stderr
    assert "there is no program to run" in refused
    project.path("bpf_src").rmdir()
    assert "there is no such folder of sources" in project.build(status=3).stderr


# A project that has nothing to do with bpfline


@pytest.fixture
def plain(tmp_path: Path) -> Project:
    """A dodo.py that does not import bpfline, though bpfline is installed."""
    project = Project(tmp_path, make_project(tmp_path).env)
    project.path("bpf_src").rmdir()
    project.write(
        "dodo.py",
        "def task_copy():\n"
        '    return {"actions": ["cp in out"], "file_dep": ["in"], "targets": ["out"], "clean": True}\n'
        "def task_verify():\n"
        '    option = {"name": "log", "long": "log", "default": ""}\n'
        '    return {"actions": ["echo checked %(log)s"], "params": [option], "verbosity": 2}\n'
        "def task_bad():\n"
        '    return {"actions": ["exit 1"]}\n'
        'DOIT_CONFIG = {"default_tasks": ["copy"]}\n',
    )
    project.write("in", "text")
    return project


def test_a_project_without_bpfline_keeps_doits_run(plain: Project) -> None:
    assert plain.doit("run").stdout == ".  copy\n"
    assert plain.path("out").read_text() == "text"
    assert plain.doit().stdout == "-- copy\n"
    assert plain.doit("run", "copy").stdout == "-- copy\n"
    assert "TaskFailed" in plain.doit("bad", status=1).stderr + plain.doit("bad", status=1).stdout
    assert not plain.path("build").exists()
    assert list(plain.root.glob(".doit.db*")), "doit's own database is where doit puts it"


def test_a_project_without_bpfline_keeps_doits_clean_list_info_and_forget(plain: Project) -> None:
    plain.doit()
    assert plain.doit("list").stdout.splitlines() == ["bad      ", "copy     ", "verify   "]
    assert "up-to-date" in plain.doit("info", "copy").stdout
    assert plain.doit("forget").stdout == "forgetting copy\n"
    assert plain.doit().stdout == ".  copy\n"
    plain.doit("clean")
    assert not plain.path("out").exists()
    assert plain.path("in").exists()


def test_a_project_without_bpfline_keeps_its_own_verify(plain: Project) -> None:
    assert plain.doit("verify", "--log", "mine").stdout == ".  verify\nchecked mine\n"
    assert plain.doit("verify").stdout == ".  verify\nchecked\n"


def test_a_project_without_bpfline_uses_the_reporters_and_the_exit_status_of_doit(plain: Project) -> None:
    report = json.loads(plain.doit("-r", "json").stdout)
    assert [task["result"] for task in report["tasks"]] == ["success"]
    plain.path("in").unlink()
    plain.doit("-r", "zero", status=2)  # doit's word for a file that is not there


# Programs that run


@pytest.mark.kernel
def test_the_lock_is_not_held_while_programs_run(project: Project) -> None:
    project.write(
        "bpf_src/one.c",
        "static long (*const print)(const char *, unsigned int, ...) = (void *)6;\n"
        "int one(void *ctx)\n{\n"
        '\tchar words[] = "lock test";\n\n\tprint(words, sizeof(words));\n\treturn 0;\n}\n',
    )
    project.settings("one", each='attach = "syscalls/sys_enter_execve"')
    project.program("two", 2)
    with (project.root / "err").open("wb") as err:
        run = project.start("run", "--prog", "one", stderr=err, text=False)
    try:
        end = time.monotonic() + 30
        while "Ctrl-C ends" not in project.path("err").read_text():
            assert run.poll() is None, project.path("err").read_text()
            assert time.monotonic() < end
            time.sleep(0.02)
        # No type is set for two, which tells that this build came to it, and did not wait.
        built = project.build(status=1)
        assert "waiting for" not in built.stderr
        assert built.uptodate >= tasks("one")
        assert built.ran >= {"compile:two", "sections:two", "audit:two"}
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        run.send_signal(signal.SIGINT)
        out = run.communicate(timeout=30)[0]
    finally:
        run.kill()
        run.communicate()
    assert run.returncode == 0
    assert b"lock test" in out


@pytest.mark.kernel
def test_run_by_name_with_tasks_runs_those_tasks_and_loads_nothing(built: Project) -> None:
    ran = built.doit("run", "compile:one")
    assert ran.uptodate == {"compile:one"}
    assert "attached" not in ran.stderr


@pytest.mark.parametrize("task", ["verify", "cost", "baseline"])
def test_the_options_of_a_task_are_explained_by_help_and_by_the_task_itself(
    project: Project, task: str
) -> None:
    options = {
        "verify": {"--json", "--log", "--set", "--again"},
        "cost": {"--prog", "--top", "--json"},
        "baseline": {"--json"},
    }
    for command in (("help", task), (task, "--help"), (task, "-h")):
        head, *rows = project.doit(*command).stdout.splitlines()
        assert head.startswith(f"{task}  ")
        assert {row.split()[0].partition("=")[0] for row in rows} == options[task]
        assert all(len(row.split()) > 3 for row in rows)
    assert not project.path("build/report").exists()
