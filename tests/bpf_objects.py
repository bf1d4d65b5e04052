# SPDX-License-Identifier: Apache-2.0
"""Objects with SEC(), maps and BTF for the tests, made by clang with libbpf-dev's headers."""

from __future__ import annotations

import atexit
import functools
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path

HEADERS = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
"""
GPL = 'char LICENSE[] SEC("license") = "GPL";\n'

# Behind clang's own headers: Debian keeps asm/types.h under the host's multiarch folder.
FLAGS = (
    "-g",
    "-O2",
    "-Wall",
    "-mcpu=v3",
    "-idirafter",
    f"/usr/include/{sysconfig.get_config_var('MULTIARCH')}",
)


@functools.cache
def _folder() -> Path:
    """Where the objects of this session stand; it goes with the session."""
    folder = Path(tempfile.mkdtemp(prefix="bpf-objects-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def compile_bpf(text: str, *flags: str, name: str = "prog", clang: str = "clang") -> Path:
    """The object of a source that holds text; the same text and flags are compiled once."""
    folder = Path(tempfile.mkdtemp(dir=_folder()))
    source, made = folder / f"{name}.bpf.c", folder / f"{name}.o"
    source.write_text(text)
    command = [clang, "-target", "bpf", *FLAGS, *flags, "-c", source.name, "-o", made.name]
    subprocess.run(command, cwd=folder, check=True)
    return made
