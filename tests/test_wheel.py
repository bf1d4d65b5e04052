# SPDX-License-Identifier: Apache-2.0
"""The wheel: what `pip install bpfline` gives, to somebody whose project has a `loader` too."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run(*command: str | Path, cwd: Path) -> str:
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout


def virtual_environment(folder: Path) -> Path:
    """The folder with the commands of a new one, which has pip and nothing else."""
    run(sys.executable, "-m", "venv", folder, cwd=folder.parent)
    return folder / "bin"


def test_the_wheel_works_beside_a_users_own_loader(tmp_path: Path) -> None:
    made, mine = tmp_path / "made", tmp_path / "my project"
    builder = virtual_environment(tmp_path / "builder")
    run(builder / "pip", "install", "-q", "hatchling", cwd=tmp_path)
    run(builder / "hatchling", "build", "-d", made, cwd=ROOT)
    (wheel,) = made.glob("*.whl")
    (source,) = made.glob("*.tar.gz")

    files = set(zipfile.ZipFile(wheel).namelist())
    folders = {name.split("/")[0] for name in files}
    assert folders == {
        "bpfline",
        "bpfline_loader",
        wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info",
    }
    templates = {f"bpfline/templates/{path.name}" for path in (ROOT / "bpfline/templates").glob("*.j2")}
    assert templates and templates | {"bpfline/py.typed", "bpfline_loader/py.typed"} <= files
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in files)
    with tarfile.open(source) as archive:
        shipped = {name.split("/", 1)[1] for name in archive.getnames()}
    assert {
        "doit",
        "dodo.py",
        "LICENSE",
        "bpf_src/LICENSE",
        "bpf_src/prog.c",
        "tests/test_wheel.py",
    } <= shipped
    assert not {name for name in shipped if name.startswith((".venv", "build/"))}

    (mine / "loader").mkdir(parents=True)
    (mine / "loader/__init__.py").write_text("OWNER = 'me'\n")
    theirs = virtual_environment(tmp_path / "theirs")
    run(theirs / "pip", "install", "-q", wheel, cwd=mine)
    imports = "import bpfline, bpfline_loader, loader; print(bpfline.__file__, bpfline_loader.__file__)"
    for installed in run(theirs / "python", "-c", imports, cwd=mine).splitlines()[0].split():
        assert Path(installed).is_relative_to(tmp_path / "theirs")
    assert run(theirs / "python", "-c", "import loader; print(loader.OWNER)", cwd=mine) == "me\n"
    version = run(theirs / "bpfline", "--version", cwd=mine)
    assert version == f"bpfline {wheel.name.split('-')[1]}\n"
