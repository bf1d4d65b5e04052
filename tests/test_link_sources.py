# SPDX-License-Identifier: Apache-2.0
"""An object of several sources: each compiled by itself, linked by bpftool, then like any other."""

from __future__ import annotations

import json

import pytest

from bpfline_loader import bundle
from conftest import Project

HEAD = '#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\n#include "shared.h"\n'
ALONE = 'SEC("xdp") int alone(struct xdp_md *ctx) { return 2; }\n'
MAIN = (
    HEAD
    + """char LICENSE[] SEC("license") = "GPL";
SEC("socket") int main_prog(struct __sk_buff *skb) { return helper(skb->len); }
"""
)
HELPER = HEAD + ALONE + "int calls = 1;\nint helper(int len) { calls += len; return calls + ADDED; }\n"
LINK = '[tool.bpfline.object.both]\nlink = ["main.bpf.c", "lib/helper.bpf.c"]\n'


@pytest.fixture
def both(project: Project) -> Project:
    """A project with one object of two sources and one of a single source."""
    project.write("pyproject.toml", '[tool.bpfline]\ninclude = ["inc"]\n' + LINK)
    project.write("inc/shared.h", "#define ADDED 1\nint helper(int len);\n")
    project.write("bpf_src/main.bpf.c", MAIN)
    project.write("bpf_src/lib/helper.bpf.c", HELPER)
    project.write(
        "bpf_src/alone.bpf.c", MAIN.replace("helper(skb->len)", "1").replace('#include "shared.h"', "")
    )
    return project


def test_the_parts_become_one_object_and_no_objects_of_their_own(both: Project) -> None:
    both.build()
    made = bundle.read(both.path("build/both"))
    assert [program.name for program in made.programs] == ["main_prog", "alone"]
    assert [each.name for each in made.maps] == [".data"]
    assert made.source == "bpf_src/main.bpf.c, bpf_src/lib/helper.bpf.c"
    found = sorted(path.name for path in both.path("build").iterdir() if path.is_dir())
    assert found == ["alone", "both"]
    parts = both.path("build/both/parts")
    assert sorted(str(path.relative_to(parts)) for path in parts.rglob("*.o")) == ["lib/helper.o", "main.o"]


@pytest.mark.kernel
def test_the_kernel_takes_what_was_linked(both: Project) -> None:
    verified = both.doit("verify", "--json")
    results = json.loads(verified.stdout)["results"]
    assert {(row["object"], row["verdict"]) for row in results} == {
        ("both", "accepted"),
        ("alone", "accepted"),
    }


def test_a_second_build_does_nothing(both: Project) -> None:
    both.build()
    assert not both.build().ran


def test_a_changed_source_compiles_its_part_alone_and_links_again(both: Project) -> None:
    both.build()
    both.write("bpf_src/lib/helper.bpf.c", HELPER.replace("calls = 1", "calls = 2"))
    built = both.build()
    assert {name for name in built.ran if name.startswith(("compile:", "link:"))} == {
        "compile:both/lib/helper",
        "link:both",
    }
    assert not {name for name in built.ran if "alone" in name}


def test_a_changed_header_compiles_every_part_that_includes_it_and_no_other_object(both: Project) -> None:
    both.build()
    both.write("inc/shared.h", "#define ADDED 7\nint helper(int len);\n")
    compiled = {name for name in both.build().ran if name.startswith("compile:")}
    assert compiled == {"compile:both/main", "compile:both/lib/helper"}


def test_a_comment_makes_no_other_object(both: Project) -> None:
    both.build()
    both.write("bpf_src/main.bpf.c", MAIN + "/* nothing new */\n")
    # The part has another checksum of its source in its DWARF, which the linker leaves out.
    assert set(both.build().ran) == {"compile:both/main", "link:both"}


def test_settings_of_the_object_are_those_of_its_parts(both: Project) -> None:
    both.write("bpf_src/main.bpf.c", MAIN + "#ifndef MINE\n#error not mine\n#endif\n")
    both.write("pyproject.toml", '[tool.bpfline]\ninclude = ["inc"]\n' + LINK + 'define = ["MINE"]\n')
    both.build()


def test_a_part_that_is_left_out_of_the_list_leaves_nothing_behind(both: Project) -> None:
    both.build()
    both.write("bpf_src/main.bpf.c", MAIN.replace("helper(skb->len)", "0"))
    both.write(
        "pyproject.toml", '[tool.bpfline]\ninclude = ["inc"]\n' + LINK.replace(', "lib/helper.bpf.c"', "")
    )
    both.build()
    assert [path.name for path in both.path("build/both/parts").rglob("*.o")] == ["main.o"]
    assert both.path("build/lib/helper/helper.o").exists()  # an object of its own again


def test_an_object_that_is_no_longer_linked_is_removed(both: Project) -> None:
    both.build()
    both.write("pyproject.toml", '[tool.bpfline]\ninclude = ["inc"]\n')
    both.write("bpf_src/main.bpf.c", MAIN.replace("helper(skb->len)", "0"))
    both.build()
    assert not both.path("build/both").exists()
    assert both.path("build/main/loader.json").exists()


def test_compile_commands_have_the_parts(both: Project) -> None:
    both.build()
    entries = json.loads(both.path("build/compile_commands.json").read_text())
    assert {(entry["file"], entry["output"]) for entry in entries} == {
        ("bpf_src/alone.bpf.c", "build/alone/alone.o"),
        ("bpf_src/main.bpf.c", "build/both/parts/main.o"),
        ("bpf_src/lib/helper.bpf.c", "build/both/parts/lib/helper.o"),
    }


def test_the_linkers_own_words_are_said(both: Project) -> None:
    both.write("bpf_src/main.bpf.c", MAIN + "int helper(int len) { return len; }\n")
    built = both.build(status=1)
    assert "build/both/both.o: error: its parts cannot be linked: " in built.stderr
    assert "helper" in built.stderr
    assert "config:alone" in built.ran


def test_without_bpftool_one_line_says_what_to_install(both: Project) -> None:
    both.write("pyproject.toml", '[tool.bpfline]\ninclude = ["inc"]\nbpftool = "no-such-bpftool"\n' + LINK)
    assert "no-such-bpftool: error: is not installed\n  help: apt" in both.build(status=2).stderr


@pytest.mark.parametrize(
    ("link", "words"),
    [
        (["main.c"], "link names bpf_src/main.c, which is no source\n  help: did you mean 'main.bpf.c'?"),
        (["../x.c"], "link names bpf_src/../x.c, which is no source"),
        (["main.bpf.c", "main.bpf.c"], "link names bpf_src/main.bpf.c and bpf_src/main.bpf.c, both main.o"),
    ],
)
def test_what_cannot_be_a_part_is_said(both: Project, link: list[str], words: str) -> None:
    both.write("pyproject.toml", f"[tool.bpfline.object.both]\nlink = {json.dumps(link)}\n")
    assert words in both.build(status=3).stderr


def test_a_linked_object_and_a_source_cannot_have_one_name(both: Project) -> None:
    both.write("bpf_src/both.bpf.c", MAIN)
    assert "link gives object 'both', and so does bpf_src/both.bpf.c" in both.build(status=3).stderr
