# SPDX-License-Identifier: Apache-2.0
"""The catalogue against the running kernel: each bad example earns its entry, each good one is accepted."""

from __future__ import annotations

import mmap
import re
from pathlib import Path
from typing import get_args

import pytest

from bpfline import catalogue
from bpfline.catalogue import CATALOGUE, Entry, Fault, match
from bpfline_loader import bpf
from bpfline_loader.load import ACCEPTED
from bpfline_loader.syscalls import errno_name
from error_examples import EXAMPLES, PAGES, load, page, said, snippet, with_only

LOGS = Path(__file__).parent / "data" / "verifier-logs"

SOCKET_FILTER = bpf.PROG_TYPES["socket_filter"]
MOV64_K_R0_0 = bytes((0xB7, 0, 0, 0, 0, 0, 0, 0))
EXIT = bytes((0x95, 0, 0, 0, 0, 0, 0, 0))

each_entry = pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.code)
each_with_examples = pytest.mark.parametrize(
    "entry", [each for each in CATALOGUE if not each.without_example], ids=lambda entry: entry.code
)


def example(entry: Entry, kind: str) -> Path:
    return EXAMPLES / f"{entry.code}_{kind}.bpf.c"


def matched(lines: list[str], errno: str | None = None) -> str | None:
    entry = match(lines, errno)
    return entry and entry.code


# The table


def test_the_codes_run_without_a_gap_and_each_is_there_once() -> None:
    assert [each.code for each in CATALOGUE] == [f"BPF{n:03}" for n in range(1, len(CATALOGUE) + 1)]
    assert len(CATALOGUE) >= 61


@each_entry
def test_an_entry_is_written_to_be_read(entry: Entry) -> None:
    assert not entry.title.endswith(".") and not entry.title[0].isupper()
    assert all(words.endswith((".", ".)")) for words in (entry.cause, entry.remedy))
    assert entry.fault in get_args(Fault)
    assert re.fullmatch(r"\d\.\d+ to \d\.\d+", entry.kernels)


def test_an_entry_is_found_by_its_code_in_any_case() -> None:
    assert [catalogue.by_code(each.code.lower()) for each in CATALOGUE] == list(CATALOGUE)
    assert catalogue.by_code("BPF999") is None


# The examples


@each_entry
def test_an_entry_has_a_bad_and_a_good_example_or_says_why_not(entry: Entry) -> None:
    there = [example(entry, kind).exists() for kind in ("bad", "good")]
    assert there == [not entry.without_example] * 2


def test_each_example_is_of_an_entry() -> None:
    codes = {each.code for each in CATALOGUE}
    assert {path.name.split("_")[0] for path in EXAMPLES.iterdir()} <= codes


@pytest.mark.kernel
@each_with_examples
def test_the_running_kernel_refuses_the_bad_example_for_what_the_entry_says(entry: Entry) -> None:
    attempt = load(example(entry, "bad"))
    assert attempt.verdict != ACCEPTED
    assert matched(said(attempt), attempt.errno) == entry.code, "\n".join(said(attempt))


@pytest.mark.kernel
@each_with_examples
def test_the_running_kernel_accepts_the_good_example(entry: Entry) -> None:
    attempt = load(example(entry, "good"))
    assert attempt.verdict == ACCEPTED, "\n".join(said(attempt))


# Those that no C source gives


def asked(insns: bytes, log_size: int = 1 << 20) -> tuple[list[str], str]:
    """(the lines, the errno's name) of a refusal, for a log of log_size bytes."""
    with mmap.mmap(-1, log_size) as log:
        answer = bpf.prog_load(SOCKET_FILTER, insns, "GPL", log_level=4, log=log)
        assert answer.fd is None
        return log[: log.find(b"\0")].decode().splitlines(), errno_name(answer.errno)


@pytest.mark.kernel
def test_a_map_that_is_not_there() -> None:
    load_map = bytes((0x18, 0x11, 0, 0)) + (999).to_bytes(4, "little") + bytes(8)  # r1 = map_fd 999
    assert matched(*asked(load_map + MOV64_K_R0_0 + EXIT)) == "BPF053"


@pytest.mark.kernel
def test_no_privilege_is_told_from_the_errno() -> None:
    lines, errno = with_only(None, lambda: asked(MOV64_K_R0_0 + EXIT))
    assert not lines
    assert matched(lines, errno) == "BPF059"


@pytest.mark.kernel
def test_a_log_that_is_too_small_is_told_from_the_errno() -> None:
    lines, errno = asked(MOV64_K_R0_0 * 9 + EXIT, log_size=64)
    assert matched(lines, errno) == "BPF060"


@pytest.mark.kernel
def test_a_program_of_too_many_instructions_is_told_from_the_errno() -> None:
    lines, errno = asked(MOV64_K_R0_0 * 1_000_001 + EXIT)
    assert not lines
    assert matched(lines, errno) == "BPF061"


# What is matched


def refusals() -> list[tuple[str, str, list[str]]]:
    """(log file, program, lines) of each refusal in the recorded logs, at every level."""
    return [
        (path.name, program, log.splitlines())
        for path in sorted(LOGS.glob("kernel-*.log"))
        for program, log in re.findall(r"^@@PROG (\w+) err=-\d+ .*\n((?s:.*?))^@@END", path.read_text(), re.M)
    ]


RECORDED = {
    "bad_pkt": {"BPF006"}, "bad_null": {"BPF003"}, "bad_ref": {"BPF028"}, "bad_range": {"BPF009"},
    "bad_loop": {"BPF024"}, "bad_huge": {"BPF022"}, "bad_helper": {"BPF031", "BPF032"},
}  # fmt: skip


def test_each_recorded_refusal_of_eleven_kernels_is_matched_by_its_own_entry() -> None:
    found = [(file, program, matched(lines)) for file, program, lines in refusals()]
    assert len({file for file, _, _ in found}) == 11
    assert [each for each in found if each[2] not in RECORDED[each[1]]] == []


@each_entry
def test_an_entry_is_not_shadowed_by_another_on_the_words_its_page_quotes(entry: Entry) -> None:
    samples = page(entry.code).samples
    assert samples
    assert {matched(sample.splitlines()) for sample in samples} == {entry.code}


@pytest.mark.parametrize(
    "lines",
    [
        ["; R1 !read_ok @ x.bpf.c:3"],
        ["3: (95) exit ; infinite loop detected at insn 6"],
        ["  R0 invalid mem access 'scalar'"],
        ["something that no kernel has said yet"],
        [],
    ],
)
def test_what_is_not_said_by_the_verifier_is_not_matched(lines: list[str]) -> None:
    assert match(lines, "EINVAL") is None


def test_what_6_1_says_of_static_functions_decides_only_where_nothing_else_is_said() -> None:
    noted = "reg type unsupported for arg#0 function handle#193"
    both = catalogue.match([noted, "R0 invalid mem access 'map_value_or_null'"])
    alone = catalogue.match([noted])
    assert both and alone and (both.code, alone.code) == ("BPF003", "BPF084")


def test_what_the_verifier_says_decides_before_the_errno_and_what_wraps_it() -> None:
    wrapped = [
        "libbpf: prog 'x': BPF program load failed: Argument list too long",
        "BPF program is too large. Processed 1000001 insn",
    ]
    assert matched(wrapped, "E2BIG") == "BPF022"
    assert matched(wrapped[:1]) == "BPF061"


# The pages


@each_entry
def test_a_page_has_the_facts_of_its_entry(entry: Entry) -> None:
    found = page(entry.code)
    assert found.title == f"# {entry.code}: {entry.title}"
    assert f"Fault: {entry.fault}. Kernels: {entry.kernels}." in found.prose
    for words in (entry.cause, entry.remedy, entry.without_example):
        assert " ".join(words.split()) in found.prose


@each_entry
def test_a_page_shows_the_examples_as_they_are(entry: Entry) -> None:
    found = page(entry.code)
    if entry.without_example:
        assert (found.before, found.after) == ("", "")
    else:
        assert found.before == snippet(example(entry, "bad"))
        assert found.after == snippet(example(entry, "good"))


def test_the_list_of_pages_is_whole() -> None:
    rows = re.findall(
        r"^\| \[(BPF\d+)\]\((BPF\d+)\.md\) \| (.*) \| (\w+) \|$", (PAGES / "README.md").read_text(), re.M
    )
    assert rows == [(each.code, each.code, each.title, each.fault) for each in CATALOGUE]
    assert {path.stem for path in PAGES.glob("BPF*.md")} == {each.code for each in CATALOGUE}
