# SPDX-License-Identifier: Apache-2.0
"""The objects that a project's sources give, and the names that cannot be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bpfline.errors import SettingsError
from bpfline.project import Project, Source, object_name


def project(root: Path, *sources: str) -> Project:
    for name in sources:
        path = root / "bpf_src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return Project(root)


@pytest.mark.parametrize(
    ("source", "name"),
    [("x.c", "x"), ("x.bpf.c", "x"), ("net/x.bpf.c", "net/x"), ("x.y.c", "x.y"), ("x.bpf.bpf.c", "x.bpf")],
)
def test_a_source_gives_the_object_of_the_design(source: str, name: str) -> None:
    assert object_name(Path(source)) == name


def test_artifacts_have_the_names_of_the_design(tmp_path: Path) -> None:
    (source,) = project(tmp_path, "net/x.bpf.c").sources
    assert isinstance(source, Source)
    assert list(map(str, (source.path, source.folder, source.object_file, source.depfile))) == [
        "bpf_src/net/x.bpf.c",
        "build/net/x",
        "build/net/x/x.o",
        "build/net/x/x.d",
    ]


def test_what_editors_leave_and_hidden_folders_are_no_sources(tmp_path: Path) -> None:
    made = project(tmp_path, "a.c", ".hidden.c", ".git/b.c", "c.c~", "d.h", "e.cc", "f.C")
    (tmp_path / "bpf_src/.#a.c").symlink_to("somebody@somewhere.1234")  # as Emacs locks a file
    (tmp_path / "bpf_src/again").symlink_to(".")
    assert [source.object for source in made.sources] == ["a"]


def test_a_link_to_a_file_is_a_source(tmp_path: Path) -> None:
    made = project(tmp_path, "a.c")
    (tmp_path / "bpf_src/b.c").symlink_to("a.c")
    assert [source.object for source in made.sources] == ["a", "b"]


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        (("x.c", "x.bpf.c"), "bpf_src/x.c: error: gives object 'x', and so does bpf_src/x.bpf.c"),
        (
            ("net.c", "net/x.c"),
            "bpf_src/net/x.c: error: would be built inside the folder of bpf_src/net.c",
        ),
        (("report.c",), "bpf_src/report.c: error: would be built in build/report"),
        (("report/x.c",), "bpf_src/report/x.c: error: would be built in build/report"),
        ((".bpf.c", "x.c"), ""),
        (("a\nb.c",), "bpf_src/a\\x0ab.c: error: gives an object whose name holds '\\n'"),
        (("a\tb.c",), "bpf_src/a\\x09b.c: error: gives an object whose name holds '\\t'"),
        (("a=b.c",), "bpf_src/a=b.c: error: gives an object whose name holds '='"),
        (("a*b.c",), "bpf_src/a*b.c: error: gives an object whose name holds '*'"),
        (("a:b.c",), "bpf_src/a:b.c: error: gives an object whose name holds ':'"),
        (("a@b/x.c",), "bpf_src/a@b/x.c: error: gives an object whose name holds '@'"),
        ((os.fsdecode(b"a\xffb.c"),), "bpf_src/a\\xffb.c: error: gives an object whose name holds"),
    ],
)
def test_names_that_cannot_be_are_refused_in_one_line_that_names_them(
    sources: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    made = project(tmp_path, *sources)
    if not words:
        assert [source.object for source in made.sources] == ["x"]
        return
    with pytest.raises(SettingsError) as caught:
        _ = made.sources
    first, help_ = str(caught.value).splitlines()
    assert first.startswith(words)
    assert help_.startswith("  help: rename")
    assert caught.value.status == 3


def test_a_table_for_an_object_that_no_source_gives_is_a_warning(tmp_path: Path) -> None:
    made = project(tmp_path, "prog.c", "net/x.c")
    (tmp_path / "pyproject.toml").write_text(
        '[tool.bpfline.object.porg]\nlicense = "GPL"\n[tool.bpfline.object."net/x"]\nlicense = "GPL"\n'
        '[tool.bpfline.object."a\\nb"]\nlicense = "GPL"\n'
    )
    assert [source.settings.license for source in made.sources] == ["GPL", None]
    assert made.warnings() == [
        "pyproject.toml: warning: [tool.bpfline.object.porg] is for no source; did you mean 'prog'?",
        "pyproject.toml: warning: [tool.bpfline.object.a\\x0ab] is for no source; known are net/x, prog",
    ]


def test_without_a_folder_of_sources_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no such folder of sources") as caught:
        _ = Project(tmp_path).sources
    assert (caught.value.where, caught.value.status) == ("bpf_src", 3)
    assert "tool.bpfline.sources" in caught.value.help


def test_an_empty_folder_of_sources_gives_no_objects(tmp_path: Path) -> None:
    (tmp_path / "bpf_src").mkdir()
    assert Project(tmp_path).sources == ()


def test_what_is_no_file_but_has_a_sources_name_is_said(tmp_path: Path) -> None:
    made = project(tmp_path, "a.c")
    path = tmp_path / "bpf_src/x.c"
    for make, words, status in (
        (path.mkdir, "is a folder, with the name of a source", 3),
        (lambda: os.mkfifo(path), "is no regular file, with the name of a source", 3),
        (lambda: path.symlink_to("nothing"), "cannot be read: No such file or directory", 2),
    ):
        make()
        with pytest.raises(SettingsError, match=words) as caught:
            _ = Project(made.root).sources
        assert (caught.value.where, caught.value.status) == ("bpf_src/x.c", status)
        path.rmdir() if path.is_dir() else path.unlink()
