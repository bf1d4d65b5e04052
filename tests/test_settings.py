# SPDX-License-Identifier: Apache-2.0
"""[tool.bpfline]: what it may hold, and one line for what it may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from bpfline import settings
from bpfline.errors import SettingsError
from bpfline.settings import BaselineSettings, BudgetSettings, ObjectSettings, ProgramSettings, Settings

ROOT = Path(__file__).parent.parent


def read(root: Path, text: str) -> Settings:
    (root / settings.FILE).write_text(text)
    return settings.read(root)


def test_without_settings_the_defaults_hold(tmp_path: Path) -> None:
    assert settings.read(tmp_path) == Settings()
    assert read(tmp_path, '[project]\nname = "x"\n') == Settings()


def test_every_setting_is_read(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        """
[tool.bpfline]
sources = "src/bpf"
clang = "clang-19"
objcopy = "llvm-objcopy-19"
mcpu = "v2"
include = ["inc", "/usr/include/bpf"]
define = ["A", 'B="x y"']
cflags = ["-Wextra"]
templates = "templates"
vmlinux = "vmlinux.btf"
bpftool = "/opt/bpftool"
set = { debug = true, "limits[1]" = 0.5 }

[tool.bpfline.object."net/x"]
mcpu = "v4"
include = ["net"]
define = ["C=1"]
cflags = ["-Wno-unused"]
type = "xdp"
attach = "eth0"
license = "Dual BSD/GPL"
entry = "main"
link = ["net/a.bpf.c", "net/b.bpf.c"]
target = "id:7"
set.debug = false

[tool.bpfline.budget]
processed_insns = 50_000
limit_share = 12.5
total_states = 1
peak_states = 2
stack_depth = 3
xlated_bytes = 4
jited_bytes = 0

[tool.bpfline.baseline]
growth = 5
processed_insns = 0
total_states = 20
peak_states = 30
stack_depth = 40.5
xlated_bytes = 50
jited_bytes = 60

[tool.bpfline.program."net/x/main"]
expect = "refused"
code = "BPF006"
attach = "eth1"
target = "net/y/main"
budget.processed_insns = 7
""",
    )
    assert found == Settings(
        sources="src/bpf",
        clang="clang-19",
        objcopy="llvm-objcopy-19",
        mcpu="v2",
        include=("inc", "/usr/include/bpf"),
        define=("A", 'B="x y"'),
        cflags=("-Wextra",),
        templates="templates",
        vmlinux="vmlinux.btf",
        bpftool="/opt/bpftool",
        set={"debug": True, "limits[1]": 0.5},
        object={
            "net/x": ObjectSettings(
                mcpu="v4",
                include=("net",),
                define=("C=1",),
                cflags=("-Wno-unused",),
                type="xdp",
                attach="eth0",
                license="Dual BSD/GPL",
                entry="main",
                link=("net/a.bpf.c", "net/b.bpf.c"),
                target="id:7",
                set={"debug": False},
            )
        },
        budget=BudgetSettings(
            processed_insns=50000,
            limit_share=12.5,
            total_states=1,
            peak_states=2,
            stack_depth=3,
            xlated_bytes=4,
            jited_bytes=0,
        ),
        baseline=BaselineSettings(
            growth=5,
            processed_insns=0,
            total_states=20,
            peak_states=30,
            stack_depth=40.5,
            xlated_bytes=50,
            jited_bytes=60,
        ),
        program={
            "net/x/main": ProgramSettings(
                expect="refused",
                code="BPF006",
                attach="eth1",
                target="net/y/main",
                budget=BudgetSettings(processed_insns=7),
            )
        },
    )


@pytest.mark.parametrize(
    ("text", "what", "help_"),
    [
        (
            "[tool.bpfline]\nincludes = []\n",
            "tool.bpfline has no setting 'includes'",
            "did you mean 'include'?",
        ),
        (
            "[tool.bpfline]\nzzz = 1\n",
            "tool.bpfline has no setting 'zzz'",
            "known are baseline, bpftool, budget, cflags",
        ),
        (
            "[tool.bpfline.object.prog]\natach = 'x'\n",
            "tool.bpfline.object.prog has no setting 'atach'",
            "did you mean 'attach'",
        ),
        ("[tool.bpfline]\nclang = 19\n", "tool.bpfline.clang is not a string", ""),
        ("[tool.bpfline]\ninclude = 'inc'\n", "tool.bpfline.include is not a list of strings", ""),
        ("[tool.bpfline]\ndefine = ['A', 1]\n", "tool.bpfline.define is not a list of strings", ""),
        ("[tool]\nbpfline = 7\n", "tool.bpfline is not a table", ""),
        ("[tool.bpfline]\nobject = []\n", "tool.bpfline.object is not a table", ""),
        ("[tool.bpfline]\nobject.prog = 'x'\n", "tool.bpfline.object.prog is not a table", ""),
        ('[tool.bpfline]\nclang = "a\\nb"\n', "tool.bpfline.clang holds a control character", ""),
        ('[tool.bpfline]\ncflags = ["a\\u0000"]\n', "tool.bpfline.cflags holds a control character", ""),
        ("[tool.bpfline]\ninclude = ['']\n", "tool.bpfline.include holds an empty string", "leave it out"),
        ("[tool.bpfline]\nmcpu = 'v5'\n", "tool.bpfline.mcpu is 'v5'", "known are generic, v1, v2, v3, v4"),
        (
            "[tool.bpfline.object.a]\nmcpu = 'x86'\n",
            "tool.bpfline.object.a.mcpu is 'x86'",
            "known are generic",
        ),
        (
            "[tool.bpfline.object.a]\ntype = 'TRACEPOINT'\n",
            "tool.bpfline.object.a.type is 'TRACEPOINT'",
            "known are cgroup_device",
        ),
        (
            "[tool.bpfline.object.a]\ntype = 'trace_point'\n",
            "tool.bpfline.object.a.type is 'trace_point'",
            "did you mean 'tracepoint'",
        ),
        ("[tool.bpfline]\nsources = '/src'\n", "tool.bpfline.sources is '/src'", "inside the project"),
        ("[tool.bpfline]\nsources = '.'\n", "tool.bpfline.sources is '.'", "inside the project"),
        ("[tool.bpfline]\nsources = '../x'\n", "tool.bpfline.sources is '../x'", "inside the project"),
        ("[tool.bpfline]\nset = 7\n", "tool.bpfline.set is not a table", ""),
        ("[tool.bpfline]\nset.x = 1979-05-27\n", "tool.bpfline.set.x is no number, truth or text", ""),
        ("[tool.bpfline.object.a]\nset.x = []\n", "tool.bpfline.object.a.set.x is no number", ""),
        ("[tool.bpfline]\nbudget = 7\n", "tool.bpfline.budget is not a table", ""),
        (
            "[tool.bpfline.budget]\nverification_usec = 7\n",
            "tool.bpfline.budget has no setting 'verification_usec'",
            "",
        ),
        ("[tool.bpfline.budget]\nstack_depth = 1.5\n", "tool.bpfline.budget.stack_depth is no whole", ""),
        ("[tool.bpfline.budget]\nstack_depth = true\n", "tool.bpfline.budget.stack_depth is no whole", ""),
        ("[tool.bpfline.budget]\nstack_depth = -1\n", "tool.bpfline.budget.stack_depth is -1", "from 0 on"),
        ("[tool.bpfline.budget]\nlimit_share = '9'\n", "tool.bpfline.budget.limit_share is no number", ""),
        ("[tool.bpfline.baseline]\ngrowth = nan\n", "tool.bpfline.baseline.growth is nan", "from 0 on"),
        ("[tool.bpfline.program.a]\nbudget.x = 1\n", "tool.bpfline.program.a.budget has no setting 'x'", ""),
        (
            "[tool.bpfline.program.a]\nattach = ['eth0']\n",
            "tool.bpfline.program.a.attach is not a string",
            "",
        ),
        ("[tool.bpfline.program.a]\ntarget = ''\n", "tool.bpfline.program.a.target holds an empty", "leave"),
        ("[tool.bpfline.program.a]\nexpect = 'fail'\n", "tool.bpfline.program.a.expect is 'fail'", "refused"),
        (
            "[tool.bpfline.program.a]\nexpect = 'refused'\ncode = '6'\n",
            "tool.bpfline.program.a.code is '6'",
            "BPF006",
        ),
        ("[tool.bpfline.program.a]\ncode = 'EACCES'\n", "tool.bpfline.program.a has a code", "refused"),
        ("[tool.bpfline\n", "is not valid TOML: ", ""),
        ("a = " + "[" * 5000, "is not valid TOML: ", ""),
    ],
)
def test_what_is_wrong_is_said_with_its_key_and_what_to_do(
    text: str, what: str, help_: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text)
    assert caught.value.what.startswith(what)
    assert help_ in caught.value.help
    assert (caught.value.where, caught.value.status) == (str(tmp_path / "pyproject.toml"), 3)
    assert len(str(caught.value).splitlines()) <= 2


def test_a_file_that_is_no_text_or_no_file_is_said(tmp_path: Path) -> None:
    (tmp_path / settings.FILE).write_bytes(b"a = '\xff'\n")
    with pytest.raises(SettingsError, match="is not valid TOML"):
        settings.read(tmp_path)
    (tmp_path / settings.FILE).unlink()
    (tmp_path / settings.FILE).mkdir()
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        settings.read(tmp_path)


def table() -> str:
    """The settings as docs/settings.md has them."""
    rows = [
        (f"`{key}`", f"`{default}`" if default else "", doc) for key, default, doc in settings.documentation()
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in (("key", "default", "meaning"), ("---",) * 3, *rows))


def test_the_documentation_has_exactly_the_settings_that_there_are() -> None:
    text = (ROOT / "docs" / "settings.md").read_text()
    found = "".join(line + "\n" for line in text.splitlines() if line.startswith("|"))
    assert found == table()


def test_the_example_in_the_documentation_is_valid(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "settings.md").read_text()
    example = text.partition("```toml\n")[2].partition("```")[0]
    found = read(tmp_path, example)
    assert found != Settings() and found.object
