# SPDX-License-Identifier: Apache-2.0
"""./doit: what it sets up, what it says where it cannot, and what it costs when all is there.

The wrapper runs in projects of its own that need doit and nothing else: .venv, pip and doit are real,
and take a few seconds. What it installs with apt is tried by every CI run on a fresh machine.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

WRAPPER = Path(__file__).parents[1] / "doit"
INTERPRETER = Path(sys.executable).resolve()
DEBIAN = 'ID=debian\nVERSION_ID="12"\n'
PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "demo"
version = "1"
dependencies = ["doit"]

[project.optional-dependencies]
dev = []

[tool.demo]
mcpu = "v3"
"""
DODO = """\
import os

def show(word):
    print(os.getcwd(), word, sep="\\n")

def task_show():
    return {"actions": [show], "verbosity": 2, "params": [{"name": "word", "long": "word", "default": ""}]}

def task_fail():
    return {"actions": ["false"]}
"""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="becomes other users, which takes root")


def project(root: Path) -> Path:
    (root / "demo").mkdir(parents=True)
    shutil.copy(WRAPPER, root / "doit")
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "dodo.py").write_text(DODO)
    (root / "demo/__init__.py").touch()
    return root


def doit(root: Path, *args: str, **options: Any) -> subprocess.CompletedProcess[str]:
    options = {"cwd": "/", "env": environment(), **options}
    return subprocess.run([root / "doit", *args], capture_output=True, text=True, **options)


def environment(**more: str) -> dict[str, str]:
    ours = ("SUDO_UID", "SUDO_GID", "BPFLINE_NO_INSTALL", "BPFLINE_PYTHON", "PYTHONPATH")
    return {**{name: value for name, value in os.environ.items() if name not in ours}, **more}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in a folder with a name that a shell would stumble over, set up by its wrapper."""
    root = project(tmp_path_factory.mktemp("wrapper") / 'it\'s a "place" $HOME')
    first = doit(root, "list")
    assert (first.returncode, first.stdout) == (0, "fail   \nshow   \n"), first.stderr
    assert "doit: making .venv" in first.stderr
    return root


# --- All is there ------------------------------------------------------------------------------


def test_the_second_call_sets_up_nothing(place: Path) -> None:
    again = doit(place, "list")
    assert (again.returncode, again.stderr) == (0, "")


def test_it_works_from_any_folder_and_through_symlinks(place: Path, tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to(place / "doit")
    (tmp_path / "two").symlink_to("one")
    ways: list[tuple[list[str | Path], Path]] = [
        ([tmp_path / "two"], Path("/")),
        (["./doit"], place),
        (["sh", "doit"], place),
        (["../doit"], place / "demo"),
    ]
    for command, folder in ways:
        shown = subprocess.run(
            [*command, "show"], cwd=folder, env=environment(), capture_output=True, text=True, check=True
        )
        assert shown.stdout == f".  show\n{place}\n\n"


def test_arguments_reach_doit_as_they_are(place: Path) -> None:
    word = " a  b'\"$HOME`id`*\\ "
    assert doit(place, "show", "--word", word).stdout == f".  show\n{place}\n{word}\n"


def test_doits_exit_status_is_the_wrappers(place: Path) -> None:
    assert doit(place, "fail").returncode == 1
    assert doit(place, "no-such-task").returncode == 3


def test_when_all_is_there_it_adds_less_than_20_ms(place: Path) -> None:
    def fastest(command: list[str | Path]) -> float:
        return min(_seconds([*command, "--version"]) for _ in range(15))

    venv = place / ".venv/bin"
    assert fastest([place / "doit"]) - fastest([venv / "python", venv / "doit"]) < 0.020


def _seconds(command: list[str | Path]) -> float:
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, env=environment(), check=True)
    return time.perf_counter() - start


# --- What has to be made again -----------------------------------------------------------------


def test_a_changed_setting_installs_nothing_and_a_changed_dependency_does(place: Path) -> None:
    settings = place / "pyproject.toml"
    settings.write_text(PYPROJECT.replace("v3", "v4"))
    assert doit(place, "list").stderr == ""
    settings.write_text(PYPROJECT.replace("dev = []", 'dev = ["pyelftools"]'))
    changed = doit(place, "list")
    assert "doit: installing bpfline into the .venv" in changed.stderr
    subprocess.run([place / ".venv/bin/python", "-c", "import elftools"], check=True)
    assert doit(place, "list").stderr == ""


def test_a_pyproject_that_is_not_toml_is_named_and_ends_with_3(place: Path) -> None:
    before = (place / "pyproject.toml").read_text()
    (place / "pyproject.toml").write_text("[project\n")
    refused = doit(place, "list")
    (place / "pyproject.toml").write_text(before)
    assert (refused.returncode, refused.stdout) == (3, "")
    assert refused.stderr.startswith("pyproject.toml: error: cannot be read as TOML: ")
    assert refused.stderr.count("\n") == 1
    assert doit(place, "list").stderr == ""


def test_a_venv_whose_python_is_gone_is_made_again(place: Path) -> None:
    link = next(link for link in (place / ".venv/bin").glob("python*") if link.readlink().is_absolute())
    link.unlink()
    link.symlink_to("/usr/bin/python3.0")  # as after an upgrade of Python
    again = doit(place, "show")
    assert (again.returncode, again.stdout) == (0, f".  show\n{place}\n\n")
    assert "doit: making .venv" in again.stderr


def test_a_copied_folder_gets_a_venv_of_its_own(place: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(place, tmp_path / "copy", symlinks=True)
    again = doit(copy, "show")
    assert (again.returncode, again.stdout) == (0, f".  show\n{copy}\n\n")
    imported = [str(copy / ".venv/bin/python"), "-c", "import demo; print(demo.__file__)"]
    assert subprocess.check_output(imported, text=True) == f"{copy}/demo/__init__.py\n"


def test_a_venv_that_is_not_the_wrappers_is_left_alone(tmp_path: Path) -> None:
    root = project(tmp_path)
    (root / ".venv/mine").mkdir(parents=True)
    refused = doit(root, "list")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "move it away" in refused.stderr
    assert list((root / ".venv").iterdir()) == [root / ".venv/mine"]


def test_after_ctrl_c_two_at_once_wait_for_each_other_and_end_well(tmp_path: Path) -> None:
    root = project(tmp_path / "two at once")
    stopped = _start(root)
    assert stopped.stderr is not None
    assert "making .venv" in stopped.stderr.readline()
    time.sleep(1)
    os.killpg(stopped.pid, signal.SIGINT)
    stopped.communicate()
    assert stopped.returncode in (130, -signal.SIGINT)
    assert not (root / ".venv/.bpfline-ready").exists()

    both = [_start(root), _start(root)]
    said = "".join(process.communicate()[1] for process in both)
    assert [process.returncode for process in both] == [0, 0], said
    assert said.count("making .venv") == 1
    assert said.count("another ./doit is setting up this folder: waiting for it") == 1


def _start(root: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [root / "doit", "list"],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


# --- Where something is missing ----------------------------------------------------------------


@pytest.fixture
def bare(tmp_path: Path) -> Mapping[str, str]:
    """An environment whose PATH has what every machine has, and Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("id", "readlink", "mkdir", "rm", "flock", "chown", "find", "touch"):
        (folder / name).symlink_to(shutil.which(name) or name)
    (folder / "python3").symlink_to(INTERPRETER)
    return {"PATH": str(folder)}


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user can reach, unlike tmp_path."""
    folder = Path(tempfile.mkdtemp(prefix="bpfline-wrapper-", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def refusal(
    root: Path, env: Mapping[str, str], *, os_release: str = DEBIAN, become: Sequence[str] = ()
) -> str:
    """What the wrapper says where it stops, as root on a machine with this /etc/os-release.

    The file is mounted over the real one in a mount namespace of the process's own. become: the
    command that makes the wrapper another user's. It stops with 2, and has made nothing.
    """
    (root / "os-release").write_text(os_release)
    before = sorted(root.rglob("*"))
    unshare = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    mount = ["sh", "-c", 'mount --bind "$0" /etc/os-release && exec "$@"', str(root / "os-release")]
    clean = ["env", "--ignore-environment", *(f"{name}={value}" for name, value in env.items())]
    refused = subprocess.run(
        [*unshare, *mount, *become, *clean, root / "doit", "list"], capture_output=True, text=True, cwd=root
    )
    assert (refused.returncode, refused.stdout) == (2, ""), refused.stderr
    assert sorted(root.rglob("*")) == before
    return refused.stderr


def test_where_installing_is_forbidden_what_is_missing_is_named(
    tmp_path: Path, bare: Mapping[str, str]
) -> None:
    Path(bare["PATH"], "flock").unlink()
    assert refusal(project(tmp_path / "project"), {**bare, "BPFLINE_NO_INSTALL": "1"}).splitlines() == [
        "doit: missing: clang, which compiles the programs",
        "doit: missing: llvm-objcopy, which dumps an object's sections",
        "doit: missing: flock, with which two ./doit at once wait for each other",
        "doit: error: nothing was installed: BPFLINE_NO_INSTALL is set",
        "  help: as root: apt-get install --no-install-recommends clang llvm util-linux",
    ]


def test_without_python_it_is_named(tmp_path: Path, bare: Mapping[str, str]) -> None:
    forbidden = {**bare, "BPFLINE_NO_INSTALL": "1", "BPFLINE_PYTHON": "/no/such python"}
    said = refusal(project(tmp_path / "project"), forbidden)
    assert "missing: /no/such python, which runs bpfline\n" in said


def test_an_old_python_is_named_and_nothing_installed(tmp_path: Path, bare: Mapping[str, str]) -> None:
    # The interpreter is the real one and only states the version of an older one: a machine that
    # runs bpfline's tests seldom has a Python that bpfline does not run on.
    (tmp_path / "older").mkdir()
    (tmp_path / "older/sitecustomize.py").write_text("import sys\nsys.version_info = (3, 10, 14)\n")
    said = refusal(project(tmp_path / "project"), {**bare, "PYTHONPATH": str(tmp_path / "older")})
    assert "missing: Python 3.11 or later, which runs bpfline\n" in said
    assert f"error: {INTERPRETER} is older than Python 3.11\n" in said
    assert "help: BPFLINE_PYTHON=PATH ./doit takes another interpreter" in said


@needs_root
def test_without_root_what_is_missing_is_named(public: Path) -> None:
    (public / "bin").mkdir()
    (public / "bin/id").symlink_to(shutil.which("id") or "id")
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    said = refusal(project(public / "project"), {"PATH": str(public / "bin")}, become=nobody)
    assert "missing: clang, which compiles the programs\n" in said
    assert "error: nothing was installed: this is not root\n" in said
    assert "help: as root: apt-get install --no-install-recommends " in said


@pytest.mark.parametrize(
    ("os_release", "command"),
    [
        ("ID=fedora\nVERSION_ID=42\n", "dnf install"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"\n', "dnf install"),
        ("ID=arch\nBUILD_ID=rolling\n", "pacman -S"),
        ('ID=debian\nVERSION_ID="11"\n', "apt-get install --no-install-recommends"),
        ('ID=ubuntu\nID_LIKE=debian\nVERSION_ID="22.04"\n', "apt-get install --no-install-recommends"),
        ("ID=linuxmint\nID_LIKE='ubuntu debian'\nVERSION_ID=22", "apt-get install --no-install-recommends"),
    ],
)
def test_another_distribution_is_told_what_to_install(
    tmp_path: Path, bare: Mapping[str, str], os_release: str, command: str
) -> None:
    said = refusal(project(tmp_path / "project"), bare, os_release=os_release)
    assert "error: nothing was installed: this is neither Debian 12, Ubuntu 24.04 nor a later one" in said
    assert said.endswith(f"  help: as root: {command} clang llvm\n")


def test_what_os_release_holds_is_never_run(tmp_path: Path, bare: Mapping[str, str]) -> None:
    hostile = 'ID=$(touch made)\nVERSION_ID="`touch made`"\ntouch made\n'
    said = refusal(project(tmp_path / "project"), bare, os_release=hostile)
    assert said.endswith("  help: as root: install what is named above\n")


@pytest.mark.parametrize("os_release", ["ID=debian\nVERSION_CODENAME=sid\n", "ID=ubuntu\nVERSION_ID=24.04\n"])
def test_a_later_debian_or_ubuntu_is_installed_on_unless_forbidden(
    tmp_path: Path, bare: Mapping[str, str], os_release: str
) -> None:
    forbidden = {**bare, "BPFLINE_NO_INSTALL": "1"}
    said = refusal(project(tmp_path / "project"), forbidden, os_release=os_release)
    assert "error: nothing was installed: BPFLINE_NO_INSTALL is set\n" in said


# --- Whose files -------------------------------------------------------------------------------


@needs_root
def test_through_sudo_every_file_belongs_to_the_user_who_called_it(public: Path) -> None:
    root = project(public / "of a user")
    caller = {"SUDO_UID": "54321", "SUDO_GID": "54322"}
    for path in (public, root, *root.rglob("*")):
        os.chown(path, 54321, 54322)

    # Half-way: .venv is there when pip finds that it may ask no index.
    failed = doit(root, "list", env=environment(**caller, PIP_NO_INDEX="1"))
    assert (failed.returncode, failed.stdout) == (2, "")
    assert "No matching distribution found for hatchling" in failed.stderr
    assert "error: bpfline could not be installed into .venv" in failed.stderr
    assert owners(public) == {(54321, 54322)}

    made = doit(root, "list", env=environment(**caller))
    assert made.returncode == 0, made.stderr
    for state in root.glob(".doit.db*"):  # doit's own; bpfline's is under build/
        state.unlink()
    assert owners(public) == {(54321, 54322)}


@needs_root
def test_where_the_user_cannot_write_the_venv_is_theirs_nevertheless(tmp_path: Path) -> None:
    root = project(tmp_path)
    made = doit(root, "list", env=environment(SUDO_UID="54321", SUDO_GID="54322"))
    assert made.returncode == 0, made.stderr
    assert owners(root / ".venv") == {(54321, 54322)}


def owners(folder: Path) -> set[tuple[int, int]]:
    return {(path.lstat().st_uid, path.lstat().st_gid) for path in (folder, *folder.rglob("*"))}
