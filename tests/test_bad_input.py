# SPDX-License-Identifier: Apache-2.0
"""Bad input, through the command line: one line that says what and what to do, the right exit status,
no traceback, and what was built before stays as it was."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import bpfline
from bpfline_loader import bundle
from conftest import DOIT, Built, Project, ended, make_project
from kernel_state import who_can_run_us

PROG = "int prog(void *ctx) { return 0; }\n"
BLOG = """#include <linux/bpf.h>
static long (*const bpf_trace_printk)(const char *fmt, unsigned int size, ...) = (void *)6;

int prog(void *ctx)
{
	char msg[] = "Hi!";

	bpf_trace_printk(msg, sizeof(msg));
	return 0;
}
"""


def errors(built: Built) -> list[str]:
    """The lines that say what is wrong, each with its help behind it."""
    found = re.findall(r"^(.*\berror: .*(?:\n  help: .*)?)", built.stderr, re.MULTILINE)
    return [line for line in found if "waits for" not in line]


def says_once(built: Built, what: str, remedy: str = "") -> None:
    """The build said one thing, in one line and one of help, which hold these words."""
    (error,) = errors(built)
    first, _, help_ = error.partition("\n  help: ")
    assert what in first
    assert remedy in help_


def artifacts(project: Project, name: str = "prog") -> dict[str, bytes]:
    folder = project.path("build") / name
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@contextmanager
def untouched(project: Project) -> Iterator[None]:
    """What build/prog/ holds is the same afterwards."""
    before = artifacts(project)
    assert {"prog.o", "loader.json", "sections/text.bin", "programs/prog.insns"} <= set(before)
    yield
    assert artifacts(project) == before


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose only program was built; nobody changes it."""
    project = make_project(tmp_path_factory.mktemp("first"))
    project.settings("prog", "x")
    project.write("bpf_src/prog.c", PROG)
    project.build()
    return project


@pytest.fixture
def built(first: Project, tmp_path: Path) -> Project:
    """A project whose only program was built."""
    return Project(shutil.copytree(first.root, tmp_path / "project"), first.env)


# Whoever owns the code, without root's powers: the same as any user who may read it.
OWNER = Path(bpfline.__file__).stat()
POWERLESS: tuple[str, ...] = ()
if os.geteuid() == 0:
    POWERLESS = (
        *("setpriv", f"--reuid={OWNER.st_uid}", f"--regid={OWNER.st_gid}", "--clear-groups"),
        *("--bounding-set=-all", "--inh-caps=-all"),
    )


@pytest.fixture
def powerless() -> Iterator[Project]:
    """A built project of a user without privileges, in a folder that this user can reach."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        root = Path(folder, "project")
        root.mkdir()
        project = make_project(root)
        project.settings("prog", "x")
        project.write("bpf_src/prog.c", PROG)
        for path in (project.root, *project.root.rglob("*")):
            os.chown(path, OWNER.st_uid, OWNER.st_gid)
        as_user(project, "build")
        yield project
        subprocess.run(["chmod", "-R", "u+rwX", project.root], check=True)


def as_user(project: Project, *args: str, status: int = 0) -> Built:
    """doit with args, without root's powers."""
    process = subprocess.Popen(
        [*POWERLESS, str(DOIT), *args],
        cwd=project.root,
        env=project.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return ended(process, status)


# --- Sources -----------------------------------------------------------------------------------


def test_an_empty_source_is_said_and_the_others_are_built(built: Project) -> None:
    built.write("bpf_src/x.c", "")
    built.write("bpf_src/prog.c", PROG.replace("0", "7"))
    says_once(built.build(status=1), "bpf_src/x.c: error: holds no program", "define a function")
    assert built.returned("prog") == 7


@pytest.mark.parametrize(
    ("make", "what", "status"),
    [
        (Path.mkdir, "is a folder, with the name of a source", 3),
        (os.mkfifo, "is no regular file, with the name of a source", 3),
        (lambda path: path.symlink_to("gone"), "cannot be read: No such file or directory", 2),
        (lambda path: path.symlink_to(path), "cannot be read: Too many levels of symbolic links", 2),
    ],
)
def test_a_source_that_is_no_file_is_said(make, what: str, status: int, built: Project) -> None:
    make(built.path("bpf_src/x.c"))
    with untouched(built):
        says_once(built.build(status=status), f"bpf_src/x.c: error: {what}")


def test_an_unreadable_source_is_said(powerless: Project) -> None:
    powerless.write("bpf_src/x.c", PROG).chmod(0)
    with untouched(powerless):
        says_once(as_user(powerless, "build", status=2), "bpf_src/x.c: error: Permission denied")


def test_an_unreadable_folder_of_sources_is_said(powerless: Project) -> None:
    powerless.write("bpf_src/net/x.c", PROG)
    powerless.path("bpf_src/net").chmod(0)
    with untouched(powerless):
        says_once(
            as_user(powerless, "build", status=2), "bpf_src/net: error: cannot be read: Permission denied"
        )


AWKWARD = [
    "with space",
    "it's",
    'so "called"',
    "-dash",
    "--help",
    "grüße-日本",
    "$HOME",
    "$(id)",
    "#1",
    "a;b",
    "a&b|c<d>e",
    "back\\slash",
    "back\\ space",
    "%s%n",
    "~",
    "a,b",
    "[x]{y}?!",
    "{{ 7 }}",
    "d r/with space",
    "n" * 200,
]


@pytest.mark.kernel
def test_names_of_sources_that_are_awkward_elsewhere_work_here(project: Project) -> None:
    tables = (
        f"[tool.bpfline.object.{json.dumps(name)}]\ntype = 'tracepoint'\nlicense = 'GPL'\n"
        "attach = 'syscalls/sys_enter_execve'\n"
        for name in AWKWARD
    )
    project.write("pyproject.toml", "".join(tables))
    project.write("bpf_src/with space.h", "#define NUMBER 6\n")
    for name in AWKWARD:
        up = "../" * name.count("/")
        header = f'#include "{up}with space.h"\n'
        project.write(f"bpf_src/{name}.c", header + BLOG.replace("(void *)6", "(void *)NUMBER"))
    verdicts = json.loads(project.doit("-n", "4", "build", "verify", "--json").stdout)["results"]
    assert {row["object"]: row["verdict"] for row in verdicts} == dict.fromkeys(AWKWARD, "accepted")
    for name in AWKWARD:
        folder = project.path("build") / name
        assert bundle.read(folder).object == name
        assert (folder / "sections/text.bin").is_file()
        usage = subprocess.run([folder / "loader"], capture_output=True, text=True)
        assert (usage.returncode, usage.stderr[:6]) == (3, "usage:")
    assert project.build().ran == set()
    project.write("bpf_src/with space.h", "#define NUMBER 6 /* the same */\n")
    again = project.doit("-n", "4", "build").stderr
    assert [name for name in AWKWARD if f".  compile:{name}  (bpf_src/" not in again] == []


@pytest.mark.parametrize(
    "name", ["a\nb", "a\tb", "a\x1b[31mb", "a=b", "a*b", "a:b", "a@b", os.fsdecode(b"a\xff")]
)
def test_names_of_sources_that_cannot_be_are_refused(name: str, built: Project) -> None:
    built.write(f"bpf_src/{name}.c", PROG)
    with untouched(built):
        refused = built.build(status=3)
        says_once(refused, "error: gives an object whose name holds", "rename it")
    assert len(refused.stderr.splitlines()) == 2


def test_without_a_folder_of_sources_it_says_what_to_do(project: Project) -> None:
    project.path("bpf_src").rmdir()
    says_once(project.build(status=3), "bpf_src: error: there is no such folder", "tool.bpfline.sources")


@pytest.mark.kernel
def test_without_sources_there_is_nothing_to_do_and_run_says_so(project: Project) -> None:
    assert project.build().ran == set()
    assert project.doit("verify").stdout == ""
    says_once(project.doit("run", status=3), "there is no program to run", "write one")


# --- Objects -----------------------------------------------------------------------------------


def test_an_object_for_another_machine_is_said(built: Project) -> None:
    built.settings("prog", "x", each='cflags = ["-target", "aarch64", "-mcpu=generic"]')
    found = built.build(status=2)
    assert set(errors(found)) == {
        "build/prog/prog.o: error: is for aarch64, not for BPF\n  help: compile it with clang -target bpf"
    }


@pytest.mark.parametrize("length", [0, 100, 700])
def test_an_object_that_was_cut_off_is_compiled_again(length: int, built: Project) -> None:
    with untouched(built):
        os.truncate(built.path("build/prog/prog.o"), length)
        assert "compile:prog" in built.build().ran


# --- Settings ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "what", "remedy"),
    [
        ("[tool.bpfline]\nmcpuu = 'v3'\n", "tool.bpfline has no setting 'mcpuu'", "did you mean 'mcpu'?"),
        ("[tool.bpfline]\ninclude = 3\n", "tool.bpfline.include is not a list of strings", ""),
    ],
)
def test_wrong_settings_are_said_with_status_3(text: str, what: str, remedy: str, built: Project) -> None:
    built.write("pyproject.toml", text)
    with untouched(built):
        for command in ("build", "verify", "run", "list"):
            says_once(built.doit(command, status=3), f"pyproject.toml: error: {what}", remedy)


@pytest.mark.parametrize("content", [b"[tool.bpfline\n", b"\xff\xfe"])
def test_settings_that_are_no_toml_are_said(content: bytes, built: Project) -> None:
    """By bpfline's own command; ./doit: test_wrapper.py. doit itself reads the file before bpfline does."""
    built.path("pyproject.toml").write_bytes(content)
    with untouched(built):
        process = subprocess.run(
            [sys.executable, "-m", "bpfline", "doctor"], cwd=built.root, capture_output=True, text=True
        )
    assert process.returncode == 3
    assert re.fullmatch(r".*pyproject\.toml: error: is not valid TOML: .*\n", process.stderr)


def test_a_program_of_no_type_is_told_which_setting_says_it(project: Project) -> None:
    project.write("bpf_src/prog.c", PROG)
    says_once(
        project.build(status=1),
        "bpf_src/prog.c: error: has a program without SEC(), prog: nothing says of what type it is",
        'type = "tracepoint", attach = "CATEGORY/NAME" in [tool.bpfline.object.',
    )


def test_a_table_for_no_object_is_warned_of(built: Project) -> None:
    assert (
        "pyproject.toml: warning: [tool.bpfline.object.x] is for no source; known are prog"
        in built.build().stderr
    )


# --- Tools -------------------------------------------------------------------------------------


def path_without(project: Project, *names: str) -> dict[str, str]:
    """An environment whose PATH has every tool but these."""
    folder = project.path("tools")
    folder.mkdir()
    for place in project.env["PATH"].split(":"):
        for path in Path(place).iterdir() if Path(place).is_dir() else ():
            link = folder / path.name
            if not path.name.startswith(names) and not link.is_symlink():
                link.symlink_to(path)
    return {**project.env, "PATH": str(folder)}


def test_without_clang_it_says_so_and_where_from(built: Project) -> None:
    built.program("prog", 7)
    with untouched(built):
        refused = built.doit("build", status=2, env=path_without(built, "clang"))
    says_once(refused, "clang: error: is not installed", "apt install clang, or set tool.bpfline.clang")


def test_without_objcopy_it_says_so_and_where_from(built: Project) -> None:
    built.program("prog", 7)
    before = artifacts(built)["sections/text.bin"]
    refused = built.doit("build", status=2, env=path_without(built, "llvm-objcopy"))
    says_once(
        refused, "llvm-objcopy: error: is not installed", "apt install llvm, or set tool.bpfline.objcopy"
    )
    assert artifacts(built)["sections/text.bin"] == before


@pytest.mark.parametrize("setting", ["clang", "objcopy"])
def test_settings_that_name_a_missing_tool_are_said(setting: str, built: Project) -> None:
    for name in ("no-such-tool", "./nothing/here", "/dev/null"):
        built.settings("prog", more=f'{setting} = "{name}"')
        with untouched(built):
            says_once(built.build(status=2), f"{name}: error: is not installed", f"tool.bpfline.{setting}")


def test_a_tool_that_is_no_clang_is_said(built: Project) -> None:
    built.settings("prog", more='clang = "true"')
    with untouched(built):
        says_once(built.build(status=2), "true: error: does not answer --version as clang does")


def test_a_clang_that_crashes_is_not_the_sources_fault(built: Project) -> None:
    real = shutil.which("clang")
    clang = built.write(
        "clang", f'#!/bin/sh\ncase "$*" in *" -c "*) kill -SEGV $$ ;; esac\nexec {real} "$@"\n'
    )
    clang.chmod(0o755)
    built.settings("prog", more='clang = "./clang"')
    built.program("prog", 7)
    with untouched(built):
        says_once(
            built.build(status=2), "bpf_src/prog.c: error: clang was ended by signal 11", "signal 11 of: "
        )


def test_a_clang_that_says_nothing_and_makes_nothing_is_said(built: Project) -> None:
    real = shutil.which("clang")
    clang = built.write("clang", f'#!/bin/sh\ncase "$*" in *" -c "*) exit 0 ;; esac\nexec {real} "$@"\n')
    clang.chmod(0o755)
    built.settings("prog", more='clang = "./clang"')
    built.program("prog", 7)
    with untouched(built):
        says_once(built.build(status=2), "error: ")


def test_a_source_that_does_not_compile_leaves_what_it_gave_before(built: Project) -> None:
    built.write("bpf_src/prog.c", "int prog(void *ctx) { return nothing; }\n")
    with untouched(built):
        refused = built.build(status=1)
    assert "bpf_src/prog.c:1:30: error: use of undeclared identifier 'nothing'" in refused.stderr
    assert "bpf_src/prog.c: error: does not compile\n  help: clang's messages are above" in refused.stderr


# --- Privilege ---------------------------------------------------------------------------------


@pytest.mark.kernel
def test_without_privilege_verify_says_which_is_missing(powerless: Project) -> None:
    refused = as_user(powerless, "verify", status=2)
    assert "EPERM" in refused.stdout and "CAP_BPF" in refused.stdout and "sudo" in refused.stdout
    (result,) = json.loads(as_user(powerless, "verify", "--json", status=2).stdout)["results"]
    assert (result["verdict"], result["errno"]) == ("error", "EPERM")


@pytest.mark.kernel
def test_without_privilege_run_says_which_is_missing(powerless: Project) -> None:
    powerless.settings("prog", "x", each='attach = "syscalls/sys_enter_execve"')
    says_once(as_user(powerless, "run", status=2), "EPERM", "CAP_BPF")


# --- build/ ------------------------------------------------------------------------------------


def test_a_build_folder_that_is_a_file_is_said(project: Project) -> None:
    project.settings("prog")
    project.write("bpf_src/prog.c", PROG)
    project.write("build", "mine")
    says_once(project.build(status=2), "build: error: ")
    assert project.path("build").read_text() == "mine"


@pytest.mark.parametrize("command", ["build", "clean", "verify"])
def test_a_build_folder_that_is_a_link_is_said_and_what_it_leads_to_stays(
    project: Project, command: str
) -> None:
    project.settings("prog")
    project.write("bpf_src/prog.c", PROG)
    project.write("precious/docs/mine", "mine")
    project.path("build").symlink_to("precious")
    says_once(project.doit(command, status=2), "build: error: is a symbolic link")
    assert [path.name for path in project.path("precious").rglob("*")] == ["docs", "mine"]


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone works in the projects of others")
def test_root_runs_what_a_users_settings_name_as_that_user_whoever_owns_build() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        root = Path(folder, "project")
        root.mkdir()
        project = make_project(root)
        ran = root / "ran"
        project.write("clang", f"#!/bin/sh\nid -u >> {ran}\nexit 1\n")
        project.path("clang").chmod(0o755)
        project.write("pyproject.toml", '[tool.bpfline]\nclang = "./clang"\n')
        project.write("bpf_src/prog.c", PROG)
        for path in (root, *root.rglob("*")):
            os.chown(path, 65534, 65534)
        project.path("build").mkdir()  # root's
        user = who_can_run_us()
        words = "belongs to" if user else "cannot be read by the user whom the project belongs to"
        says_once(project.build(status=2), words)
        assert not ran.exists()
        os.chown(project.path("build"), 65534, 65534)
        if user:
            project.build(status=2)
            assert set(ran.read_text().split()) == {str(user)}


def test_an_objects_folder_that_is_a_file_is_said_and_the_others_are_built(built: Project) -> None:
    built.write("bpf_src/x.c", PROG)
    built.write("build/x", "mine")
    built.program("prog", 7)
    says_once(built.build(status=2), "build/x: error: ")
    assert built.path("build/x").read_text() == "mine"
    assert built.returned("prog") == 7


def test_a_build_folder_that_is_read_only_is_said(powerless: Project) -> None:
    powerless.write("bpf_src/prog.c", PROG.replace("0", "7"))
    for path in (powerless.path("build"), *powerless.path("build").rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    with untouched(powerless):
        refused = as_user(powerless, "build", status=2)
    assert errors(refused) and "Permission denied" in errors(refused)[0]


# --- A full disk -------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path: Path) -> Iterator[tuple[Project, list[str]]]:
    """A project on a file system of its own with 4 MiB, which only its mount namespace sees, and how to
    call a command there."""
    script = 'mount -t tmpfs -o size=4m none "$0" && echo && exec cat'
    with subprocess.Popen(
        ["unshare", "-m", "sh", "-c", script, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"\n"
        project = make_project(Path(f"/proc/{holder.pid}/root{tmp_path}"))
        yield project, ["nsenter", "-t", str(holder.pid), "-m", f"--wd={tmp_path}"]
        holder.kill()


def test_a_full_disk_is_said_and_leaves_every_artifact_whole(small: tuple[Project, list[str]]) -> None:
    project, there = small

    def build(*statuses: int) -> Built:
        process = subprocess.Popen(
            [*there, str(DOIT), "build"],
            env=project.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        stdout, stderr = process.communicate(timeout=100)
        assert "Traceback" not in stdout + stderr
        assert process.returncode in statuses, stderr
        return Built(process.returncode, stdout, stderr)

    project.settings("prog")
    project.program("prog", 0)
    build(0)
    failed = 0
    for number, free in enumerate((0, 4, 8, 12, 16, 24, 32, 48, 64), start=1):
        project.program("prog", number)
        filler = project.path("filler")
        with filler.open("wb", buffering=0) as file:
            with pytest.raises(OSError, match="No space left"):
                while True:
                    file.write(bytes(4096))
            file.truncate(file.tell() - free * 1024)
        before = artifacts(project)
        result = build(0, 2)
        if result.status == 2:
            failed += 1
            assert any("space" in error for error in errors(result)), result.stderr
            # Each file is as it was or is the new one whole: nothing that is half-written, nothing empty.
            assert all(artifacts(project).values())
        filler.unlink()
        build(0)
        assert project.returned("prog") == number
        assert set(artifacts(project)) == set(before)
    assert failed >= 3
