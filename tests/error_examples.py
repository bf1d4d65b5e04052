# SPDX-License-Identifier: Apache-2.0
"""The examples of tests/bpf/errors in the running kernel, and the pages of docs/errors, for the tests."""

from __future__ import annotations

import ctypes
import os
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bpf_objects import compile_bpf
from bpfline import elf, spec
from bpfline.settings import ObjectSettings
from bpfline_loader.errors import Lacking
from bpfline_loader.load import Attempt, unsupported
from bpfline_loader.object import opened

TESTS = Path(__file__).parent
EXAMPLES = TESTS / "bpf" / "errors"
PAGES = TESTS.parent / "docs" / "errors"

CAP_BPF = 39  # linux/capability.h
_LINUX_CAPABILITY_VERSION_3 = 0x20080522
_Result = TypeVar("_Result")


def load(source: Path, mode: str = "short") -> Attempt:
    """What the kernel says of the one program of source, by bpfline's own way from object to verdict.

    Lines of the source that say how: "// cflags: ..." and "// loaded with: CAP_BPF", and nothing else.
    """
    text = source.read_text()
    flags = " ".join(re.findall(r"^// cflags: (.*)$", text, re.MULTILINE)).split()
    made = compile_bpf(text, "-Wno-uninitialized", *flags, name=source.name.split(".")[0])
    object_file = elf.parse(made.read_bytes(), made)
    found = spec.spec(
        object_file, name="example", source=source.name, settings=ObjectSettings(), clang=None, mcpu=None
    )
    (program,) = found.bundle.programs
    try:
        with opened(found.bundle) as in_kernel:

            def once() -> Attempt:
                return in_kernel.load(program, mode=mode)

            attempt = with_only(CAP_BPF, once) if "// loaded with: CAP_BPF\n" in text else once()
    except Lacking as error:  # an extern that the kernel lacks: none of the object's programs can load
        return unsupported(error)
    if attempt.fd is not None:
        os.close(attempt.fd)
    return attempt


def with_only(capability: int | None, work: Callable[[], _Result]) -> _Result:
    """What work gives in a thread of its own that has one capability, or none."""
    bits = 0 if capability is None else 1 << capability
    low, high = bits & 0xFFFFFFFF, bits >> 32
    header = (ctypes.c_uint32 * 2)(_LINUX_CAPABILITY_VERSION_3, 0)  # 0: this thread
    sets = (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)  # effective, permitted, inheritable
    given: list[_Result] = []

    def run() -> None:
        assert ctypes.CDLL(None).capset(header, sets) == 0
        given.append(work())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return given[0]


def said(attempt: Attempt) -> list[str]:
    """The kernel's words: its log, or why bpfline did not come as far as asking for one."""
    return (attempt.log.decode() or attempt.message).splitlines()


def snippet(source: Path) -> str:
    """What matters of an example: how it is built and loaded, and all after its includes but the license."""
    text = source.read_text()
    how = "".join(re.findall(r"^// (?:cflags|loaded with): .*\n", text, re.MULTILINE))
    body = text.rpartition("#include <bpf/bpf_helpers.h>\n")[2]
    return how + body.removesuffix('\nchar LICENSE[] SEC("license") = "GPL";\n').strip("\n") + "\n"


@dataclass(frozen=True)
class Page:
    """docs/errors/BPFnnn.md. prose: without the blocks of code, on one line. samples: what the verifier
    says, one string for each block. before, after: the C code of its two examples, "" for none."""

    title: str
    prose: str
    samples: tuple[str, ...]
    before: str
    after: str


def page(code: str) -> Page:
    text = (PAGES / f"{code}.md").read_text()
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    c_code = [body for language, body in blocks if language == "c"]
    before, after = c_code or ("", "")
    return Page(
        title=text.splitlines()[0],
        prose=" ".join(prose.split()),
        samples=tuple(body for language, body in blocks if language == "text"),
        before=before,
        after=after,
    )
