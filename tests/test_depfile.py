# SPDX-License-Identifier: Apache-2.0
"""What a compilation depends on: read from clang's own depfiles, and from the text of what it read."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpfline import clang
from bpfline.depfile import SearchPath, must_not_exist, parse
from bpfline.inputs import file_clock
from bpfline.project import Project, Source
from bpfline.settings import ObjectSettings, Settings


def preprocessed(root: Path, *flags: str) -> list[str]:
    """The prerequisites of src/x.c by clang's depfile, as bpfline asks for it."""
    depfile = ("-MD", "-MF", "x.d", "-MT", "x.o")
    argv = ["clang", "-target", "bpf", *flags, *depfile, "-E", "./src/x.c", "-o", "x.i"]
    subprocess.run(argv, cwd=root, check=True, stderr=subprocess.DEVNULL)
    return parse((root / "x.d").read_text(errors="surrogateescape"))


def write(root: Path, name: str, text: str = "") -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


def missing(root: Path, *folders: str, quoted: tuple[str, ...] = ()) -> set[str]:
    """What must not exist for src/x.c, where nothing changes meanwhile."""
    flags = [*(f"-iquote{folder}" for folder in quoted), *(f"-I{folder}" for folder in folders)]
    read = preprocessed(root, *flags)
    return must_not_exist(read, SearchPath(quoted, folders), root, file_clock() + 10**9)


# parse


@pytest.mark.parametrize(
    "name",
    [
        "a b.h",
        "#a.h",
        "a$b.h",
        "a$$b.h",
        "it's.h",
        "a;b.h",
        "a=b.h",
        "a:b.h",
        "ä.h",
        "a  b#c$d e.h",
        "$(X).h",
        "%.h",
    ],
)
def test_the_names_that_clang_escapes_are_read_back(tmp_path: Path, name: str) -> None:
    write(tmp_path, "src/x.c", f'#include "{name}"\n#include "last.h"\n')
    write(tmp_path, f"src/{name}")
    write(tmp_path, "src/last.h")
    assert preprocessed(tmp_path) == ["src/x.c", f"src/{name}", "src/last.h"]


def test_clang_writes_a_slash_for_a_backslash(tmp_path: Path) -> None:
    """llvm::sys::path::native() in PrintFilename: so no source is called so, and such a header is
    refused in words (test_incremental)."""
    write(tmp_path, "src/x.c", '#include "a\\b.h"\n')
    write(tmp_path, "src/a\\b.h")
    assert preprocessed(tmp_path) == ["src/x.c", "src/a/b.h"]


@given(
    st.lists(
        st.text(st.sampled_from("ab #$:=%'*é"), min_size=1, max_size=8).map(lambda name: f"h{name}.h"),
        min_size=1,
        max_size=6,
        unique=True,
    )
)
@settings(max_examples=25, deadline=None)
def test_every_name_that_a_header_can_have_is_read_back(names: list[str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in names:
            write(root, f"src/{name}")
        write(root, "src/x.c", "".join(f'#include "{name}"\n' for name in names))
        assert preprocessed(root) == ["src/x.c", *(f"src/{name}" for name in names)]


def test_a_long_list_continues_on_further_lines(tmp_path: Path) -> None:
    names = [f"{'long' * 10}{number}.h" for number in range(30)]
    write(tmp_path, "src/x.c", "".join(f'#include "{name}"\n' for name in names))
    for name in names:
        write(tmp_path, f"src/{name}")
    read = preprocessed(tmp_path)
    assert " \\\n" in (tmp_path / "x.d").read_text()
    assert read == ["src/x.c", *(f"src/{name}" for name in names)]


def test_a_header_that_is_read_twice_is_named_once() -> None:
    assert parse("x.o: x.c a.h b.h \\\n  a.h\n") == ["x.c", "a.h", "b.h"]


def test_an_empty_depfile_names_nothing() -> None:
    assert parse("") == parse("x.o:") == parse("x.o: \n") == []


# must_not_exist


def test_an_include_in_brackets_is_looked_for_in_each_folder_before_the_one_that_has_it(
    tmp_path: Path,
) -> None:
    write(tmp_path, "src/x.c", "#include <x.h>\n")
    write(tmp_path, "two/x.h")
    write(tmp_path, "three/x.h")
    assert missing(tmp_path, "zero", "one", "two", "three") == {"zero/x.h", "one/x.h"}


def test_an_include_in_quotes_is_looked_for_beside_its_includer_first(tmp_path: Path) -> None:
    write(tmp_path, "src/x.c", '#include "a.h"\n')
    write(tmp_path, "inc/a.h", '#include "sub/b.h"\n')
    write(tmp_path, "last/sub/b.h")
    assert missing(tmp_path, "first", "inc", "last", quoted=("q",)) == {
        *("src/a.h", "q/a.h", "first/a.h"),
        *("inc/sub/b.h", "q/sub/b.h", "first/sub/b.h"),
    }


def test_folders_for_quotes_are_not_searched_for_brackets(tmp_path: Path) -> None:
    write(tmp_path, "src/x.c", "#include <a.h>\n")
    write(tmp_path, "inc/a.h")
    assert missing(tmp_path, "first", "inc", quoted=("q",)) == {"first/a.h"}


@pytest.mark.parametrize(
    "directive",
    [
        "#include <a.h>",
        "  #  include  <a.h>  // why",
        "\t#\tinclude\t<a.h>",
        "#include<a.h>",
        "#import <a.h>",
        "#inc\\\nlude <a\\\n.h>",
        "#inc\\\r\nlude <a.h>",
        "/* before */ #include <a.h>",
        "#include /* between */ <a.h>",
        "#/* */include <a.h>",
        "%:include <a.h>",
        "??=include <a.h>",
        "#define NAME <a.h>\n#include NAME",
        "#define HEADER(x) <x.h>\n#include HEADER(a)",
        '_Pragma("once")\n#include <a.h>',
    ],
)
def test_however_an_include_is_written_its_places_are_known(tmp_path: Path, directive: str) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/x.c").write_bytes(directive.encode() + b"\n")
    write(tmp_path, "inc/a.h")
    read = preprocessed(tmp_path, "-Ifirst", "-Iinc", "-trigraphs")
    assert read == ["src/x.c", "inc/a.h"]
    found = must_not_exist(read, SearchPath((), ("first", "inc")), tmp_path, file_clock() + 10**9)
    assert "first/a.h" in found
    assert "inc/a.h" not in found


def test_a_quoted_name_from_a_macro_is_looked_for_beside_every_file_that_was_read(tmp_path: Path) -> None:
    write(tmp_path, "src/x.c", "#include <in/a.h>\n")
    write(tmp_path, "inc/in/a.h", '#define NAME "b.h"\n#include NAME\n')
    write(tmp_path, "inc/b.h")
    assert {"inc/in/b.h", "src/b.h", "first/b.h"} <= missing(tmp_path, "first", "inc")


@pytest.mark.parametrize("folder", ["inc", "./inc", "inc/", "inc//"])
def test_the_spelling_of_a_folder_does_not_matter(tmp_path: Path, folder: str) -> None:
    write(tmp_path, "src/x.c", "#define NAME <a.h>\n#include NAME\n#include <b.h>\n")
    write(tmp_path, "inc/a.h")
    write(tmp_path, "inc/b.h")
    assert {"first/a.h", "first/b.h"} <= missing(tmp_path, "first", folder)


@pytest.mark.parametrize(
    "operator", ["__has_include(<a.h>)", "__has_include ( <a.h> )", "defined(X) || __has_include(<a.h>)"]
)
def test_has_include_depends_on_every_place_where_it_looked_in_vain(tmp_path: Path, operator: str) -> None:
    write(tmp_path, "src/x.c", f"#if {operator}\n#endif\n")
    assert missing(tmp_path, "one", "two") == {"one/a.h", "two/a.h"}


def test_has_include_in_quotes_looks_beside_the_source_too(tmp_path: Path) -> None:
    write(tmp_path, "src/x.c", '#if __has_include("a.h")\n#endif\n')
    assert missing(tmp_path, "one") == {"src/a.h", "one/a.h"}


def test_has_include_may_get_its_name_from_a_macro(tmp_path: Path) -> None:
    write(
        tmp_path, "src/x.c", '#include "names.h"\n#if __has_include(NAME) || __has_include(OTHER)\n#endif\n'
    )
    write(tmp_path, "src/names.h", '#define NAME <a.h>\n# define OTHER\t"b.h"\n')
    assert {"one/a.h", "src/b.h", "one/b.h"} <= missing(tmp_path, "one")


def test_has_include_next_goes_on_behind_what_it_finds(tmp_path: Path) -> None:
    write(tmp_path, "src/x.c", "#include <a.h>\n")
    write(tmp_path, "one/a.h", "#if __has_include_next(<a.h>)\n#endif\n")
    assert missing(tmp_path, "zero", "one", "two", "three") == {"zero/a.h", "two/a.h", "three/a.h"}


def test_include_next_goes_on_behind_the_folder_of_its_file(tmp_path: Path) -> None:
    write(tmp_path, "src/x.c", "#include <a.h>\n")
    write(tmp_path, "one/a.h", "#include_next <a.h>\n")
    write(tmp_path, "three/a.h")
    assert {"zero/a.h", "two/a.h"} <= missing(tmp_path, "zero", "one", "two", "three")


def test_what_a_skipped_condition_hides_may_be_counted_but_what_was_read_never(tmp_path: Path) -> None:
    write(tmp_path, "src/x.c", '#ifdef NEVER\n#include <a.h>\n#endif\n#include "b.h"\n')
    write(tmp_path, "src/b.h")
    assert missing(tmp_path, "one") <= {"one/a.h"}


def test_an_absolute_name_has_one_place(tmp_path: Path) -> None:
    write(tmp_path, "abs/a.h")
    write(
        tmp_path,
        "src/x.c",
        f'#include "{tmp_path}/abs/a.h"\n#if __has_include("{tmp_path}/abs/b.h")\n#endif\n',
    )
    assert missing(tmp_path, "one") == {f"{tmp_path}/abs/b.h"}


def test_a_forced_include_is_looked_for_in_the_folders_before_its_own(tmp_path: Path) -> None:
    write(tmp_path, "src/x.c")
    write(tmp_path, "inc/forced.h")
    read = preprocessed(tmp_path, "-Ione", "-Iinc", "-include", "forced.h")
    found = must_not_exist(read, SearchPath((), ("one", "inc")), tmp_path, file_clock() + 10**9)
    assert {"forced.h", "one/forced.h"} <= found


def test_a_file_that_came_after_clang_began_was_not_found_unless_clang_read_it(tmp_path: Path) -> None:
    write(tmp_path, "src/x.c", "#include <a.h>\n")
    write(tmp_path, "two/a.h")
    read = preprocessed(tmp_path, "-Ione", "-Itwo")
    write(tmp_path, "one/a.h")
    search = SearchPath((), ("one", "two"))
    assert must_not_exist(read, search, tmp_path, began=0) == {"one/a.h"}
    # An older one is no secret to clang: perhaps a condition hides the include.
    assert "one/a.h" not in must_not_exist(read, search, tmp_path, began=file_clock() + 10**9)


def test_bytes_that_are_no_text_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/x.c").write_bytes(
        b"// \xff\xfe\0\n#include <a.h>\n#if __has_include(<\xe9.h>)\n#endif\n"
    )
    write(tmp_path, "inc/a.h")
    assert missing(tmp_path, "first", "inc") == {"first/a.h", "first/\udce9.h", "inc/\udce9.h"}


# The places that a search path names are those where clang looks


def lookups(root: Path, *flags: str) -> list[str]:
    """Each folder that clang searches for <...>, by its own words."""
    argv = ["clang", "-target", "bpf", *flags, "-E", "-v", "-x", "c", "/dev/null"]
    words = subprocess.run(argv, cwd=root, capture_output=True, text=True, check=True).stderr
    listed = words.partition("#include <...> search starts here:\n")[2].partition("End of search")[0]
    return [str(root / line.strip()) for line in listed.splitlines()]


def project_with(root: Path, settings_: Settings) -> Project:
    project = Project(root)
    vars(project)["settings"] = settings_  # where cached_property keeps it
    return project


@pytest.mark.parametrize(
    "settings_",
    [
        Settings(include=("one", "two")),
        Settings(include=("one",), cflags=("-isystem", "three", "-Itwo", "-idirafter", "four")),
        Settings(cflags=("-isystemthree", "-I", "two", "-iquoteone", "-iquote", "four")),
        Settings(include=("one", "/usr/include"), cflags=("-I/usr/include/../include",)),
        Settings(cflags=("-Ione", "-isystem", "one", "-Itwo")),
    ],
)
def test_the_search_path_is_clangs_own(tmp_path: Path, settings_: Settings) -> None:
    for folder in ("one", "two", "three", "four", "bpf_src", "build"):
        (tmp_path / folder).mkdir()
    project = project_with(tmp_path, settings_)
    source = Source(Path("bpf_src/x.c"), "x", ObjectSettings(include=("four",)))
    found = clang.find(project)
    command = clang.command(found, project, source, Path("x.o"), Path("x.d"))
    flags = command[command.index("-fcolor-diagnostics") + 1 : command.index("-MD")]
    ours = [str(tmp_path / folder) for folder in clang.search_path(found, project, source).angled]
    assert [folder for folder in dict.fromkeys(ours) if Path(folder).exists()] == lookups(tmp_path, *flags)


def test_folders_of_clangs_own_that_do_not_exist_yet_are_searched_first(tmp_path: Path) -> None:
    write(tmp_path, "tools/clang", f'#!/bin/sh\nexec clang -isystem {tmp_path}/absent "$@"\n')
    (tmp_path / "tools/clang").chmod(0o755)
    (tmp_path / "build").mkdir()
    project = project_with(tmp_path, Settings(clang=str(tmp_path / "tools/clang")))
    source = Source(Path("bpf_src/x.c"), "x", ObjectSettings())
    vmlinux, first = clang.search_path(clang.find(project), project, source).angled[:2]
    assert (vmlinux, first) == ("build/vmlinux", f"{tmp_path}/absent")  # the project's own come first
