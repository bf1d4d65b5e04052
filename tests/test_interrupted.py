# SPDX-License-Identifier: Apache-2.0
"""Builds that do not come to their end, or meet another: what they leave is right, and they end in words."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import DOIT, Project, ended, make_project

NAMES = ("a", "b", "c")


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "never came true"
        time.sleep(0.005)


@pytest.fixture
def slow(project: Project) -> Project:
    """Three objects; clang is a script that takes its time, while the file `slow` is there, for b and c,
    and puts its process id into a folder. It has half-written the object by then."""
    script = project.write(
        "tools/clang",
        "#!/bin/sh\n"
        'case "$*" in *-v*|*--version*) exec clang "$@";; *a.c*) exec clang "$@";; esac\n'
        "if [ -e slow ]; then\n"
        '  for word; do case "$word" in *.o.tmp) echo half > "$word";; esac; done\n'
        "  sleep 1000 & mkdir -p pids; echo $$ > pids/$$; echo $! > pids/$!; wait\n"
        "fi\n"
        'exec clang "$@"\n',
    )
    script.chmod(0o755)
    project.settings(*NAMES, more=f'clang = "{script}"')
    for value, name in enumerate(NAMES):
        project.program(name, value)
    project.write("slow", "")
    return project


def pids(project: Project) -> list[int]:
    """Of the scripts and their children that have been started."""
    folder = project.path("pids")
    return [int(path.name) for path in folder.iterdir()] if folder.exists() else []


def alive(pid: int) -> bool:
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def compiling(project: Project, clangs: int) -> None:
    """Wait until so many scripts are asleep."""
    until(lambda: len(pids(project)) == 2 * clangs)


def fast(project: Project) -> None:
    project.path("slow").unlink()


def assert_all_right(project: Project) -> None:
    assert [project.returned(name) for name in NAMES] == [0, 1, 2]
    assert not list(project.path("build").rglob(".*.tmp"))
    assert project.build().ran == set()


def all_tasks(*names: str) -> set[str]:
    return {
        f"{stage}:{name}" for stage in ("compile", "sections", "audit", "config", "loader") for name in names
    }


def test_a_killed_build_keeps_what_was_done_and_nothing_half_written(slow: Project) -> None:
    process = slow.start("build:a", "build:b")
    compiling(slow, 1)
    process.kill()
    for pid in pids(slow):
        os.kill(pid, signal.SIGKILL)
    process.communicate()
    assert slow.path("build/b/.b.o.tmp").read_text() == "half\n"
    assert not slow.path("build/b/b.o").exists()
    fast(slow)
    again = slow.build()
    assert again.ran == all_tasks("b", "c")
    assert again.uptodate == all_tasks("a")
    assert_all_right(slow)


def test_what_a_killed_build_left_of_a_removed_source_goes(slow: Project) -> None:
    with slow.start("build:b") as process:
        compiling(slow, 1)
        process.kill()
    for pid in pids(slow):
        os.kill(pid, signal.SIGKILL)
    slow.path("bpf_src/b.c").unlink()
    fast(slow)
    assert slow.build().ran == all_tasks("a", "c")
    assert not slow.path("build/b").exists()


def test_a_killed_rebuild_leaves_the_earlier_object_until_it_is_made_anew(slow: Project) -> None:
    fast(slow)
    slow.build()
    before = slow.path("build/b/b.o").read_bytes()
    slow.write("slow", "")
    slow.program("b", 11)
    with slow.start("build") as process:
        compiling(slow, 1)
        process.kill()
    for pid in pids(slow):
        os.kill(pid, signal.SIGKILL)
    assert slow.path("build/b/b.o").read_bytes() == before
    fast(slow)
    assert slow.build().ran == all_tasks("b") - {"loader:b"}
    assert slow.returned("b") == 11


@pytest.mark.parametrize(
    ("how", "options"),
    [
        ("Ctrl-C", ()),
        ("Ctrl-C", ("-n", "2")),
        ("SIGTERM", ()),
        ("SIGTERM", ("-n", "2")),
        ("SIGINT", ("-n", "2")),
        ("SIGHUP", ()),
    ],
)
def test_an_interrupted_build_ends_in_one_line_and_leaves_no_child(
    slow: Project, how: str, options: tuple[str, ...]
) -> None:
    # doit has its own order among the objects; with two processes a may not have been begun.
    process = slow.start(*options, "compile:a", "build", start_new_session=True)
    compiling(slow, 2 if options else 1)
    if how == "Ctrl-C":  # which a terminal sends to all of its group
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.send_signal(getattr(signal, how))
    built = ended(process, 130)
    lines = built.stderr.splitlines()
    assert lines[-1] == "doit: interrupted; what was done is kept"
    assert not [line for line in lines[:-1] if not line.startswith((".  ", "-- "))], built.stderr
    until(lambda: not any(map(alive, pids(slow))))
    fast(slow)
    done = built.ran - {"compile:b", "compile:c"}
    assert "compile:a" in done or options
    assert slow.build().uptodate >= done
    assert_all_right(slow)


def test_an_impatient_ctrl_c_changes_nothing(slow: Project) -> None:
    process = slow.start("-n", "2", "build", start_new_session=True)
    compiling(slow, 2)
    for _ in range(20):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.002)
    built = ended(process, 130)
    assert built.stderr.count("interrupted") == 1
    until(lambda: not any(map(alive, pids(slow))))


def test_a_build_in_the_background_of_a_script_ignores_ctrl_c_as_the_shell_wants_it(slow: Project) -> None:
    """A shell without job control starts what stands before an & with SIGINT ignored."""
    process = slow.start(
        "build", start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)
    )
    compiling(slow, 1)
    os.killpg(process.pid, signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.3)
    process.terminate()
    ended(process, 130)


# The database


@pytest.fixture(scope="session")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = make_project(tmp_path_factory.mktemp("built"))
    project.settings(*NAMES)
    for value, name in enumerate(NAMES):
        project.program(name, value)
    project.build()
    return project


@pytest.fixture
def built(built_once: Project, tmp_path: Path) -> Project:
    """Three objects, built."""
    shutil.copytree(built_once.root, tmp_path, dirs_exist_ok=True)
    return Project(tmp_path, built_once.env)


def _random(path: Path) -> None:
    path.write_bytes(os.urandom(path.stat().st_size))


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _half_random(path: Path) -> None:
    """The header is right, the pages are not."""
    path.write_bytes(path.read_bytes()[:4096] + os.urandom(path.stat().st_size - 4096))


def _text(path: Path) -> None:
    path.write_text("{}")


def _folder(path: Path) -> None:
    path.unlink()
    (path / "inside").mkdir(parents=True)


def _other_table(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("create table doit (something text)")
    database.close()


def _unreadable(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("update doit set task_data = ?", (b"\xff\xfe\x00",))
    database.close()


@pytest.mark.parametrize(
    "damage", [_random, _truncated, _half_random, _text, _folder, _other_table, _unreadable]
)
def test_a_damaged_database_costs_a_build_and_nothing_else(
    built: Project, damage: Callable[[Path], None]
) -> None:
    damage(built.path("build/.doit.db"))
    assert built.build().ran >= all_tasks(*NAMES) - {"loader:a", "loader:b", "loader:c"}
    assert_all_right(built)


@pytest.mark.parametrize("data", ["", "nonsense", '{"_values_:": 3}'])
def test_a_record_that_is_no_record_costs_its_task_a_run(built: Project, data: str) -> None:
    with sqlite3.connect(built.path("build/.doit.db")) as database:
        database.execute("update doit set task_data = ? where task_id = 'compile:a'", (data,))
    database.close()
    assert built.build().ran == {"compile:a"}
    assert_all_right(built)


@pytest.mark.parametrize(
    ("right", "wrong"), [('"inputs"', '"input"'), ("null", "[]"), ("bpf_src/a.c", "bpf_src/b.c"), ("}}", "}")]
)
def test_a_record_that_was_changed_costs_its_task_a_run(built: Project, right: str, wrong: str) -> None:
    built.program("a", 0, above="#if __has_include(<not/there.h>)\n#endif")
    built.build()
    with sqlite3.connect(built.path("build/.doit.db")) as database:
        task = "update doit set task_data = replace(task_data, ?, ?) where task_id = 'compile:a'"
        assert database.execute(task, (right, wrong)).rowcount == 1
    database.close()
    assert built.build().ran == {"compile:a"}
    assert_all_right(built)


def test_an_empty_database_is_begun_anew(built: Project) -> None:
    built.path("build/.doit.db").write_bytes(b"")
    assert built.build().ran == all_tasks(*NAMES)
    assert_all_right(built)


def test_what_was_asked_of_clang_is_asked_again_when_its_record_is_damaged(built: Project) -> None:
    for damage in ("", "[]", "{}", '{"path": 3}', "\0"):
        built.write("build/.clang.json", damage)
        assert built.build().ran == set()


def test_a_database_that_cannot_be_written_is_no_reason_not_to_build(built: Project) -> None:
    """Another program holds it, longer than sqlite waits."""
    built.program("a", 0, above="/* changed */")
    other = sqlite3.connect(built.path("build/.doit.db"), isolation_level=None)
    other.execute("begin immediate")
    words = built.doit("-n", "2", "build").stderr
    other.close()
    assert "cannot be written (database is locked)" in words
    built.build()
    assert_all_right(built)


# rm -rf build


def test_a_build_folder_that_is_removed_during_a_build_is_made_again_by_the_next(slow: Project) -> None:
    process = slow.start("build")
    compiling(slow, 1)
    shutil.rmtree(slow.path("build"))
    fast(slow)
    for pid in pids(slow):
        os.kill(pid, signal.SIGTERM)
    with process:
        stderr = process.communicate(timeout=60)[1]
    assert "Traceback" not in stderr
    assert slow.build().ran
    assert_all_right(slow)


def test_removing_the_build_folder_again_and_again_ends_in_a_right_build(built: Project) -> None:
    for delay in (0.1, 0.15, 0.2, 0.3):
        for name in NAMES:
            built.program(name, NAMES.index(name), above=f"/* {delay} */")
        process = built.start("-n", "2", "build")
        time.sleep(delay)
        shutil.rmtree(built.path("build"), ignore_errors=True)
        with process:
            assert "Traceback" not in process.communicate(timeout=60)[1]
    built.build()
    assert_all_right(built)


# Two at once


def test_two_builds_at_once_wait_and_say_for_whom(slow: Project) -> None:
    first = slow.start("build")
    compiling(slow, 1)
    second = slow.start("-n", "2", "build")
    third = slow.start("clean")
    time.sleep(0.5)
    assert second.poll() is None
    assert third.poll() is None
    third.send_signal(signal.SIGINT)
    ended(third, 130)
    fast(slow)
    for pid in pids(slow):
        os.kill(pid, signal.SIGKILL)
    ended(first, 2)  # we killed its clang
    waited = ended(second, 0)
    assert f"(pid {first.pid}), which builds here" in waited.stderr.splitlines()[0]
    assert waited.stderr.startswith("waiting for ")
    assert f"{DOIT} build" in waited.stderr.splitlines()[0]
    assert waited.uptodate >= {"compile:a"}
    assert_all_right(slow)


def test_many_builds_at_once_are_all_right_and_run_each_task_once(project: Project) -> None:
    project.settings(*NAMES)
    for value, name in enumerate(NAMES):
        project.program(name, value)
    several = [project.start("build") for _ in range(6)]
    ran = [task for process in several for task in ended(process, 0).ran]
    assert sorted(ran) == sorted(all_tasks(*NAMES))
    assert_all_right(project)


def test_settings_that_change_while_a_build_waits_are_those_it_uses(slow: Project) -> None:
    first = slow.start("build:b")
    compiling(slow, 1)
    second = slow.start("build")
    time.sleep(0.5)
    slow.program("d", 4)
    slow.settings(*NAMES, "d", more=f'clang = "{slow.root}/tools/clang"')
    fast(slow)
    for pid in pids(slow):
        os.kill(pid, signal.SIGKILL)
    ended(first, 2)
    assert ended(second, 0).ran == all_tasks(*NAMES, "d")
    assert slow.returned("d") == 4


def test_projects_do_not_wait_for_each_other(slow: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    shutil.copytree(slow.root, other, dirs_exist_ok=True)
    first = slow.start("build")
    compiling(slow, 1)
    (other / "slow").unlink()
    assert Project(other, slow.env).build().ran == all_tasks(*NAMES)
    first.terminate()
    ended(first, 130)


# Closed pipes, terminals, colours


@pytest.mark.parametrize(
    "command",
    [
        ("list",),
        ("list", "--all"),
        ("info", "compile:a"),
        ("clean", "-n"),
        ("clean",),
        ("-r", "json", "build"),
    ],
)
def test_nobody_reading_standard_output_is_no_traceback(built: Project, command: tuple[str, ...]) -> None:
    read, write = os.pipe()
    os.close(read)
    process = built.start(*command, stdout=write)
    os.close(write)
    ended(process, 141)


def test_a_build_that_nobody_listens_to_is_built_all_the_same(project: Project) -> None:
    """doit build 2>&1 | head -0"""
    project.settings(*NAMES)
    for value, name in enumerate(NAMES):
        project.program(name, value)
    read, write = os.pipe()
    os.close(read)
    process = project.start("build", stdout=write, stderr=write)
    os.close(write)
    assert process.wait(timeout=60) == 0
    assert_all_right(project)


def test_a_full_disk_where_the_messages_go_is_no_reason_not_to_build(built: Project) -> None:
    built.program("a", 0, above="/* changed */")
    with Path("/dev/full").open("w") as full:
        ended(built.start("build", stderr=full), 0)
    assert_all_right(built)


def in_terminal(project: Project, *args: str, **env: str) -> bytes:
    """What doit with args writes to a terminal."""
    master, slave = pty.openpty()
    process = project.start(
        *args, stdin=slave, stdout=slave, stderr=slave, env={**project.env, "TERM": "xterm", **env}
    )
    os.close(slave)
    words = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:
            break
        if not piece:
            break
        words += piece
    os.close(master)
    process.wait(timeout=60)
    return words.replace(b"\r\n", b"\n")


@pytest.fixture
def warned(project: Project) -> tuple[Project, bytes]:
    """A source that clang warns of, and its words, with their colours."""
    project.settings("one")
    project.program("one", "1", above='#include "inc.h"\n#pragma message("caf\\u00e9 100% {x} \\\\033[0m")')
    project.write("bpf_src/inc.h", "static int unused_one(void) { int x; return 0; }\n")
    argv = ["clang", "-target", "bpf", "-g", "-O2", "-Wall", "-mcpu=v3", "-fcolor-diagnostics", "-c"]
    words = subprocess.run(
        [*argv, "./bpf_src/one.c", "-o", "/dev/null"], cwd=project.root, capture_output=True
    ).stderr
    assert b"\x1b[" in words
    assert words.count(b"warning: ") == 3
    return project, words


def test_clangs_words_come_through_untouched_with_colours_on_a_terminal(
    warned: tuple[Project, bytes],
) -> None:
    project, words = warned
    assert words in in_terminal(project, "build")


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_that_wants_no_colours_gets_none(
    warned: tuple[Project, bytes], env: dict[str, str]
) -> None:
    project, words = warned
    shown = in_terminal(project, "build", **env)
    assert b"\x1b" not in shown
    assert _plain(words) in shown


def test_clangs_words_come_through_without_colours_elsewhere(warned: tuple[Project, bytes]) -> None:
    project, words = warned
    assert _plain(words).decode() in project.build().stderr


def test_colours_can_be_asked_for(warned: tuple[Project, bytes]) -> None:
    project, words = warned
    assert words.decode() in project.doit("build", env={**project.env, "FORCE_COLOR": "1"}).stderr


def test_the_object_is_the_same_with_and_without_colours(warned: tuple[Project, bytes]) -> None:
    project, _ = warned
    in_terminal(project, "build")
    coloured = project.path("build/one/one.o").read_bytes()
    shutil.rmtree(project.path("build"))
    project.build()
    assert project.path("build/one/one.o").read_bytes() == coloured


def test_a_warning_is_shown_once_and_not_by_a_build_that_does_nothing(warned: tuple[Project, bytes]) -> None:
    project, words = warned
    assert project.build().stderr.count("warning: ") == words.count(b"warning: ")
    assert "warning: " not in project.build().stderr


def _plain(words: bytes) -> bytes:
    import re

    return re.sub(rb"\x1b\[[0-9;]*[mK]", b"", words)
