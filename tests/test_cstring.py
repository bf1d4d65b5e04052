# SPDX-License-Identifier: Apache-2.0
"""C string literals, judged by a C compiler."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfline.cstring import c_string

HOSTILE = [
    'quotes " and \\ backslashes \\',
    "two\nlines\r\n\ttabbed\x00nul\x7f",
    "*/ int main(void) { return 1; } /*",
    "??/ ??= ??'",
    "grüße, 世界 \N{PILE OF POO}",
    "\x01234 octal 8 after \x07" + "7",
    "%s%n //",
    "\udcff a byte that is not UTF-8",
    "",
]


@pytest.mark.parametrize("compiler", tuple(filter(shutil.which, ("gcc", "clang"))))
def test_a_compiler_reads_back_the_very_bytes(compiler: str, tmp_path: Path) -> None:
    source = tmp_path / "strings.c"
    lines = [
        f"/* {c_string(text)} */\nwrite(1, {c_string(text)}, sizeof({c_string(text)}));" for text in HOSTILE
    ]
    source.write_text("#include <unistd.h>\nint main(void) {\n" + "\n".join(lines) + "\nreturn 0; }\n")
    flags = ["-std=gnu11", "-trigraphs", "-Wall", "-Wextra", "-Werror", "-Wno-unused-result"]
    subprocess.run([compiler, *flags, source, "-o", tmp_path / "strings"], check=True)
    printed = subprocess.run([tmp_path / "strings"], check=True, capture_output=True).stdout
    assert printed == b"".join(text.encode("utf-8", "surrogateescape") + b"\0" for text in HOSTILE)


@given(st.text())
def test_a_literal_is_printable_and_closes_neither_itself_nor_a_comment(text: str) -> None:
    literal = c_string(text)
    assert re.fullmatch(r'"(?:[ -!#-)+->@-\[\]-~]|\\[0-7]{3})*"', literal)


def test_plain_names_stay_as_they_are() -> None:
    assert c_string("syscalls/sys_enter_execve") == '"syscalls/sys_enter_execve"'
