# SPDX-License-Identifier: Apache-2.0
"""The C loader: rendered from its template, compiled by each compiler, run on the real kernel."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jinja2
import pytest

import bpfline
from bpfline.cstring import c_string
from bpfline_loader.bundle import Bundle, Program
from bpfline_loader.syscalls import syscall
from bpfline_loader.tracefs import found as found_tracefs

TEMPLATES = Path(bpfline.__file__).parent / "templates"

# As the blog's program: no section of its own, the helper through a pointer, the format on the stack.
PROG_C = """
static long (*bpf_trace_printk)(const char *fmt, unsigned int size, ...) = (void *)6;

int func(void *ctx)
{
	char msg[] = "from the C loader";

	bpf_trace_printk(msg, sizeof(msg));
	return 0;
}
"""
SAID = "from the C loader"
HOSTILE = '"quotes" \\ ??/ \n */ #error /* // grüße \udcff %s'

COMPILERS = tuple(filter(shutil.which, ("gcc", "clang")))  # clang is what ./doit installs


def insn(code: int, dst: int = 0, imm: int = 0) -> bytes:
    """struct bpf_insn, linux/bpf.h"""
    return struct.pack("=BBhi", code, dst, 0, imm)


EXIT = insn(0x95)


def mov_r0(times: int) -> bytes:
    return insn(0xB7) * times


def rendered(byteorder: str = sys.byteorder, **names: str) -> str:
    """loader.c of one program; names replace the object's, the program's, attach or the license."""
    given = {
        "object": "prog",
        "name": "func",
        "attach": "syscalls/sys_enter_execve",
        "license": "GPL",
        **names,
    }
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["c_string"] = c_string
    program = Program(given["name"], ".text", "tracepoint", given["attach"], EXIT)
    bundle = Bundle(given["object"], None, given["license"], byteorder, None, None, (program,))
    return environment.get_template("loader.c.j2").render(bundle=bundle, program=program)


def compiled(compiler: str, text: str, into: Path, *flags: str) -> Path:
    source = into / "loader.c"
    source.write_text(text)
    warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror"]
    subprocess.run([compiler, "-O2", *warnings, *flags, str(source), "-o", str(into / "loader")], check=True)
    return into / "loader"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that any user can look into, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def loader(folder: Path) -> Path:
    return compiled(COMPILERS[0], rendered(), folder)


@pytest.fixture(scope="module")
def text_bin(folder: Path) -> Path:
    (folder / "prog.c").write_text(PROG_C)
    object_file, text = folder / "prog.o", folder / "text.bin"
    clang = ["clang", "-target", "bpf", "-O2", "-g", "-c", str(folder / "prog.c"), "-o", str(object_file)]
    subprocess.run(clang, check=True)
    subprocess.run(["llvm-objcopy", f"--dump-section=.text={text}", object_file, "/dev/null"], check=True)
    return text


def run(*argv: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """A loader to its end; standard input is /dev/null."""
    words = [str(word) for word in argv]
    return subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, **options
    )


def wait_for(holds: Callable[[], object]) -> bool:
    """Whether it comes to hold within ten seconds."""
    for _ in range(1000):
        if holds():
            return True
        time.sleep(0.01)
    return False


class Running:
    """A loader at work, its lines and its words."""

    def __init__(self, into: Path, *argv: object):
        self.out, self.err = into / "out", into / "err"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                [str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )
        assert wait_for(lambda: "attached" in self.words() or self.process.poll() is not None)

    def words(self) -> str:
        return self.err.read_text()

    def lines_of(self, pid: int) -> list[str]:
        """What our program said when this process executed something."""
        line = re.compile(rf".*-{pid} +\[.*{SAID}.*")
        return [text for text in self.out.read_text().splitlines() if line.fullmatch(text)]

    def program_id(self) -> int:
        infos = (info.read_text() for info in Path(f"/proc/{self.process.pid}/fdinfo").iterdir())
        ids = {int(found[1]) for info in infos if (found := re.search(r"^prog_id:\s*(\d+)", info, re.M))}
        (only,) = ids
        return only


@contextmanager
def running(into: Path, *argv: object) -> Iterator[Running]:
    at_work = Running(into, *argv)
    try:
        yield at_work
    finally:
        at_work.process.kill()
        at_work.process.wait()


def attached_and_ended(into: Path, *argv: object) -> Running:
    """A loader that attached, was told to end, and did so with 0."""
    with running(into, *argv) as at_work:
        assert at_work.words().endswith("attached to syscalls/sys_enter_execve\n")
        at_work.process.terminate()
        assert at_work.process.wait(timeout=10) == 0
    return at_work


def is_loaded(program_id: int) -> bool:
    attr = ctypes.create_string_buffer(struct.pack("=III", program_id, 0, 0))
    try:
        os.close(syscall("bpf", 13, attr, 12))  # BPF_PROG_GET_FD_BY_ID
    except FileNotFoundError:
        return False
    return True


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("standard", ["gnu11", "gnu99"])
def test_hostile_names_compile_without_a_warning(compiler: str, standard: str, tmp_path: Path) -> None:
    text = rendered(object=HOSTILE, name=HOSTILE, attach=HOSTILE, license=HOSTILE)
    compiled(compiler, text, tmp_path, f"-std={standard}", "-trigraphs")


@pytest.mark.kernel
@pytest.mark.parametrize("compiler", COMPILERS)
def test_each_execve_on_each_processor_gives_exactly_one_line(
    compiler: str, text_bin: Path, tmp_path: Path
) -> None:
    loader = compiled(compiler, rendered(), tmp_path)
    taskset, true = shutil.which("taskset"), shutil.which("true")
    assert taskset and true
    processors = sorted(os.sched_getaffinity(0))
    with running(tmp_path, loader, text_bin) as at_work:
        # Each child executes twice, with one process id: taskset where it likes, true where it must.
        children = {}
        for processor in processors:
            child = subprocess.Popen([taskset, "-c", str(processor), true])
            assert child.wait() == 0
            children[processor] = child.pid
        last = subprocess.Popen([true])
        last.wait()
        assert wait_for(lambda: at_work.lines_of(last.pid))
        for processor, pid in children.items():
            lines = at_work.lines_of(pid)
            assert len(lines) == 2
            assert f"[{processor:03}]" in lines[1]
        assert len(at_work.lines_of(last.pid)) == 1


@pytest.mark.kernel
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_stays_without_a_terminal_until_a_signal_ends_it_with_0(
    number: signal.Signals, loader: Path, text_bin: Path, tmp_path: Path
) -> None:
    with running(tmp_path, loader, text_bin) as at_work:
        with pytest.raises(subprocess.TimeoutExpired):
            at_work.process.wait(timeout=0.3)
        at_work.process.send_signal(number)
        assert at_work.process.wait(timeout=10) == 0


@pytest.mark.kernel
def test_it_ends_with_0_after_its_seconds(loader: Path, text_bin: Path) -> None:
    began = time.monotonic()
    ended = run(loader, text_bin, 1)
    assert ended.returncode == 0
    assert 1 <= time.monotonic() - began < 5
    assert "processed " in ended.stderr


@pytest.mark.kernel
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_stays_loaded_or_mounted(
    number: signal.Signals, loader: Path, text_bin: Path, tmp_path: Path
) -> None:
    mounts = Path("/proc/self/mountinfo")
    before = mounts.read_text()
    with running(tmp_path, loader, text_bin) as at_work:
        program_id = at_work.program_id()
        assert is_loaded(program_id)
        at_work.process.send_signal(number)
        at_work.process.wait(timeout=10)
    assert wait_for(lambda: not is_loaded(program_id))
    assert mounts.read_text() == before


@pytest.mark.kernel
def test_lines_from_before_are_counted_and_left_out(loader: Path, text_bin: Path, tmp_path: Path) -> None:
    with found_tracefs() as tracefs, os.fdopen(tracefs.open("trace_marker", os.O_WRONLY), "wb") as marker:
        marker.write(b"said before\n")
    ended = attached_and_ended(tmp_path, loader, text_bin)
    assert "said before" not in ended.out.read_text()
    assert re.search(r"left out \d+ lines", ended.words())


@pytest.mark.kernel
def test_a_second_reader_says_that_trace_pipe_is_taken(loader: Path, text_bin: Path, tmp_path: Path) -> None:
    with running(tmp_path, loader, text_bin), found_tracefs() as tracefs:
        try:
            os.close(tracefs.open("trace_pipe"))
            takes_two = True  # before commit c2489bb7e6be (in v6.6) readers took each other's lines
        except OSError:
            takes_two = False
        ended = run(loader, text_bin, 1)
    assert ended.returncode == (0 if takes_two else 2)
    assert takes_two or ended.stderr.endswith(
        "loader: cannot open trace_pipe: Device or resource busy (another program reads it)\n"
    )


@pytest.mark.kernel
def test_a_program_of_more_than_256_instructions_loads(loader: Path, tmp_path: Path) -> None:
    (tmp_path / "long.bin").write_bytes(mov_r0(400) + EXIT)
    ended = attached_and_ended(tmp_path, loader, tmp_path / "long.bin")
    assert "processed 401 insns" in ended.words()


@pytest.mark.kernel
def test_a_log_longer_than_the_first_buffer_is_whole(loader: Path, tmp_path: Path) -> None:
    (tmp_path / "long.bin").write_bytes(mov_r0(4000) + EXIT)
    words = attached_and_ended(tmp_path, loader, tmp_path / "long.bin").words()
    steps = [line for line in words.splitlines() if re.match(r"\d+: \(b7\) r0 = 0", line)]
    assert len(words) > 2 * 64 * 1024
    assert len(steps) == 4000
    assert "processed 4001 insns" in words


@pytest.mark.kernel
def test_a_refused_program_shows_the_verifiers_reason_and_ends_with_1(loader: Path, tmp_path: Path) -> None:
    (tmp_path / "refused.bin").write_bytes(EXIT)
    ended = run(loader, tmp_path / "refused.bin")
    assert ended.returncode == 1
    assert "R0 !read_ok" in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("loader: the verifier refused ")
    assert ended.stderr.endswith(": Permission denied\n")


@pytest.mark.kernel
def test_a_refusal_with_a_long_log_is_a_refusal(loader: Path, tmp_path: Path) -> None:
    (tmp_path / "refused.bin").write_bytes(mov_r0(4000) + insn(0xBF, 0x10 * 5) + EXIT)  # r0 = r5
    ended = run(loader, tmp_path / "refused.bin")
    assert ended.returncode == 1
    assert "R5 !read_ok" in ended.stderr


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"1234567", "its length is not a multiple of 8: not whole instructions"),
        (EXIT * 1_000_001, "more than 1,000,000 instructions, which no kernel takes"),
    ],
)
def test_a_file_that_holds_no_program_is_said_and_ends_with_2(
    content: bytes, reason: str, loader: Path, tmp_path: Path
) -> None:
    path = tmp_path / "text.bin"
    path.write_bytes(content)
    ended = run(loader, path)
    assert ended.returncode == 2
    assert ended.stderr == f"loader: cannot load {path}: {reason}\n"


def test_a_program_of_the_other_byte_order_is_said_and_ends_with_2(tmp_path: Path) -> None:
    other = "big" if sys.byteorder == "little" else "little"
    (tmp_path / "text.bin").write_bytes(EXIT)
    ended = run(compiled(COMPILERS[0], rendered(other), tmp_path), tmp_path / "text.bin")
    assert ended.returncode == 2
    assert f"it is built for {other}-endian machines" in ended.stderr


def test_a_folder_and_a_missing_file_are_said_and_end_with_2(loader: Path, tmp_path: Path) -> None:
    folder = run(loader, tmp_path)
    assert (folder.returncode, folder.stderr) == (2, f"loader: cannot read {tmp_path}: Is a directory\n")
    missing = run(loader, "no\nsuch")
    assert (missing.returncode, missing.stderr) == (
        2,
        "loader: cannot open no?such: No such file or directory\n",
    )


@pytest.mark.parametrize(
    "args", [[], ["a", "1", "b"], ["a", "0"], ["a", ""], ["a", "-1"], ["a", "1.5"], ["a", "9" * 30]]
)
def test_a_wrong_command_line_ends_with_3(args: list[str], loader: Path) -> None:
    ended = run(loader, *args)
    assert (ended.returncode, ended.stderr[:6]) == (3, "usage:")


@pytest.mark.kernel
def test_an_unknown_tracepoint_is_named(text_bin: Path, tmp_path: Path) -> None:
    loader = compiled(COMPILERS[0], rendered(attach="syscalls/sys_enter_nothing"), tmp_path)
    ended = run(loader, text_bin)
    assert ended.returncode == 2
    assert ended.stderr.endswith(
        "loader: cannot find the tracepoint syscalls/sys_enter_nothing: No such file or directory\n"
    )


@pytest.mark.kernel
def test_without_privilege_it_says_which_it_needs(loader: Path, text_bin: Path) -> None:
    ended = run(loader, text_bin, user=65534, group=65534, extra_groups=[])
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"loader: cannot load {text_bin}: Operation not permitted")
    assert "CAP_BPF" in ended.stderr


# In mounts of its own, without any tracefs, and at the end without the right to mount one.
ELSEWHERE = """
set -e
awk '/ - (tracefs|debugfs) / { print $5 }' /proc/self/mountinfo | while read -r path; do
	umount -l "$path"
done
mkdir "$1/a b"
test "$2" = none || mount -t "$2" none "$1/a b"
exec setpriv --bounding-set=-sys_admin "$3" "$4"
"""


def elsewhere(kind: str, into: Path, loader: Path, text: Path) -> list[object]:
    """The command of a loader that finds a file system of this kind in into and nothing else."""
    return ["/usr/bin/unshare", "-m", "sh", "-c", ELSEWHERE, "sh", into, kind, loader, text]


@pytest.mark.kernel
@pytest.mark.parametrize("kind", ["tracefs", "debugfs"])
def test_tracefs_is_found_wherever_it_is_mounted(
    kind: str, loader: Path, text_bin: Path, tmp_path: Path
) -> None:
    attached_and_ended(tmp_path, *elsewhere(kind, tmp_path, loader, text_bin))


@pytest.mark.kernel
def test_a_tracefs_out_of_reach_is_said(loader: Path, text_bin: Path, tmp_path: Path) -> None:
    ended = run(*elsewhere("none", tmp_path, loader, text_bin))
    assert ended.returncode == 2
    assert ended.stderr.endswith(
        "loader: cannot reach tracefs, which is not mounted: Operation not permitted\n"
    )
