# SPDX-License-Identifier: Apache-2.0
"""Logs of 100 MB: explained, counted and reported in bounded memory, whoever wrapped them."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from golden_logs import fixture
from test_explain import ENVIRONMENT
from test_verifier_log import long_log

SIZE = 100 << 20
# What a process may have of memory that no file stands for: setrlimit(2), RLIMIT_DATA. Python and our
# modules take 30 MB of it.
MEMORY = 100 << 20

REPORT = """
import sys
from pathlib import Path
from bpfline import report
from bpfline.report import results
from bpfline_loader.verdict import Verdict
folder = Path(sys.argv[1])
log = str(folder / "long.log")
verdict = Verdict("net/x", "main", "tc", "sched_cls", "6.18.0", "refused", "EACCES", log=log)
(row,) = results.of_object([verdict], None, source="x.c", object_file=Path("x.o"))
assert row.diagnosis.code == "BPF003", row.diagnosis
assert report.write(results.Results((row,)), folder / "report", {}) == 0
print(row.diagnosis.title)
"""


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare log of level 2, at the end of which a program is refused."""
    path = tmp_path_factory.mktemp("long") / "long.log"
    with path.open("wb") as file:
        # A log has but one end.
        ends = re.compile(rb"(?<=\n)processed [^\n]*\n")
        file.writelines(ends.sub(b"", piece) for piece in long_log(SIZE * 11 // 10))
        file.write(fixture("6.18 bad_null 5").data)
    assert path.stat().st_size > SIZE
    return path


def bounded(*command: object, stdin: int = subprocess.DEVNULL) -> str:
    """What a Python with little memory prints."""
    ended = subprocess.run(
        [sys.executable, *map(str, command)],
        env=ENVIRONMENT,
        stdin=stdin,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY)),
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_the_limit_of_these_tests_holds(long: Path) -> None:
    with pytest.raises(AssertionError, match="MemoryError"):
        bounded("-c", f"open({str(long)!r}, 'rb').read()")


def test_a_long_log_is_explained_in_bounded_memory(long: Path) -> None:
    assert "BPF003" in bounded("-m", "bpfline", "explain", long)


def test_a_long_log_in_a_loader_s_words_is_explained_in_bounded_memory(long: Path, tmp_path: Path) -> None:
    around = (
        (b"libbpf: prog 'main': -- BEGIN PROG LOAD LOG --\n", b"-- END PROG LOAD LOG --\n"),
        (b"Error: Verifier output: ", b"\n"),
    )
    path = tmp_path / "wrapped.log"
    for before, after in around:
        path.write_bytes(before + long.read_bytes() + after)
        assert "BPF003" in bounded("-m", "bpfline", "explain", path)


def test_a_long_log_from_a_pipe_is_explained_in_bounded_memory(long: Path) -> None:
    with subprocess.Popen(["cat", long], stdout=subprocess.PIPE) as cat:
        assert cat.stdout
        assert "BPF003" in bounded("-m", "bpfline", "explain", "-", stdin=cat.stdout.fileno())


def test_the_cost_of_a_long_log_is_counted_in_bounded_memory(long: Path) -> None:
    assert "instructions" in bounded("-m", "bpfline", "cost", long)


def test_a_long_log_is_reported_in_bounded_memory(long: Path) -> None:
    assert "NULL" in bounded("-c", REPORT, long.parent)
    assert (long.parent / "report" / "index.html").stat().st_size < 40 << 20


def test_the_resident_memory_of_a_long_log_is_bounded_too(long: Path) -> None:
    """Of a mapped file what was read stays resident until it is given back."""
    script = (
        "import re, sys; from bpfline import cli; sys.argv[:] = ['bpfline', *sys.argv[1:]]; cli.main();"
        # Not getrusage(2), whose ru_maxrss has what the process was before execve(2), too: pytest.
        "print(re.search('VmHWM:.*?([0-9]+) kB', open('/proc/self/status').read())[1])"
    )
    *_, peak = bounded("-c", script, "cost", long).split()
    assert int(peak) << 10 < MEMORY + (32 << 20)


def test_a_terminal_is_told_how_far_the_reading_is(long: Path) -> None:
    ours, its = os.openpty()
    command = [sys.executable, "-m", "bpfline", "explain", str(long)]
    ended = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=its)
    os.close(its)
    said = b""
    with contextlib.suppress(OSError):  # EIO: nobody has the other end any more
        while chunk := os.read(ours, 1 << 16):
            said += chunk
    os.close(ours)
    assert ended.wait() == 0
    lines = said.split(b"\r\x1b[K")
    assert re.fullmatch(rb"explain long.log: reading \d+ of 1\d\d MB, \d s", lines[1])
    assert b"" in lines[2:]  # it is gone


def test_what_is_no_terminal_is_told_nothing_of_what_takes_a_second(long: Path) -> None:
    command = [sys.executable, "-m", "bpfline", "cost", str(long)]
    ended = subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=True)
    assert ended.stderr == b""
