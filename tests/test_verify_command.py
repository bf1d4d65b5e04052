# SPDX-License-Identifier: Apache-2.0
"""bpfline verify FILE.o ...: verdicts without a project, on real objects and the running kernel."""

from __future__ import annotations

import csv
import io
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import bpfline
import bpfline_loader
from bpf_objects import GPL, HEADERS, compile_bpf
from bpfline import elf
from bpfline.errors import ObjectError
from kernel_state import who_can_run_us

PACKAGES = os.pathsep.join(str(Path(package.__path__[0]).parent) for package in (bpfline, bpfline_loader))
ENVIRONMENT = {**os.environ, "PYTHONPATH": PACKAGES}
BPFLINE = [sys.executable, "-m", "bpfline"]

PASS = 'SEC("xdp") int pass(void *ctx) { return 2; }\n'
GOOD = HEADERS + GPL + 'SEC("socket") int good(void *ctx) { return 0; }\n' + PASS
BAD = HEADERS + GPL + 'SEC("socket") int bad(void *ctx) { return *(volatile int *)8; }\n' + PASS
LIMITED = (
    HEADERS
    + GPL
    + """const volatile int limit = 4;
SEC("socket") int loops(void *ctx)
{
	int sum = 0;
	for (int i = 0; i < limit; i++) { sum += i; asm volatile("" : "+r"(sum)); }
	return sum;
}
"""
)

pytestmark = pytest.mark.kernel


def verify(*args: object, status: int = 0, **options: Any) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run(
        [*BPFLINE, "verify", *map(str, args)], env=ENVIRONMENT, capture_output=True, text=True, **options
    )
    assert "Traceback" not in ended.stderr, ended.stderr
    assert ended.returncode == status, ended.stdout + ended.stderr
    return ended


def rows(*args: object, status: int = 0, **options: Any) -> list[dict[str, Any]]:
    document = json.loads(verify("--json", *args, status=status, **options).stdout)
    assert document["schema"] == 1
    found: list[dict[str, Any]] = document["results"]
    return found


def test_each_program_of_each_file_gets_a_row_in_the_order_given(tmp_path: Path) -> None:
    names = ["b", "a", "c"]
    for name in names:
        shutil.copy(compile_bpf(GOOD), tmp_path / f"{name}.bpf.o")
    found = rows(*(f"{name}.bpf.o" for name in names), cwd=tmp_path)
    assert [(row["object"], row["program"], row["verdict"]) for row in found] == [
        (name, program, "accepted") for name in names for program in ("good", "pass")
    ]
    assert all(len(row["tag"]) == 16 and row["processed_insns"] and row["log"] is None for row in found)


def test_a_refusal_ends_with_1_and_does_not_stop_the_others() -> None:
    found = rows(compile_bpf(BAD, name="bad"), compile_bpf(GOOD, name="good"), status=1)
    assert [(row["object"], row["program"], row["verdict"]) for row in found] == [
        ("bad", "bad", "refused"), ("bad", "pass", "accepted"),
        ("good", "good", "accepted"), ("good", "pass", "accepted"),
    ]  # fmt: skip
    assert found[0]["errno"] == "EACCES" and "invalid mem access 'scalar'" in found[0]["message"]


def test_what_cannot_be_read_ends_with_2_and_does_not_stop_the_others(tmp_path: Path) -> None:
    cut = tmp_path / "cut.o"
    cut.write_bytes(compile_bpf(GOOD).read_bytes()[:200])
    ended = verify("--json", cut, tmp_path / "gone.o", compile_bpf(BAD, name="bad"), status=2)
    found = json.loads(ended.stdout)["results"]
    assert [(row["object"], row["verdict"]) for row in found] == [
        ("cut", "error"), ("gone", "error"), ("bad", "refused"), ("bad", "accepted"),
    ]  # fmt: skip
    assert f"{cut}: error: " in ended.stderr
    assert f"{tmp_path}/gone.o: error: cannot be read: No such file or directory" in ended.stderr


def test_what_is_not_bpf_is_left_out_with_a_note(tmp_path: Path) -> None:
    (tmp_path / "text.o").write_text("hello")
    shutil.copy("/bin/true", tmp_path / "true.o")
    ended = verify(tmp_path / "text.o", "/bin/true", tmp_path / "true.o", compile_bpf(GOOD))
    notes = ended.stderr.splitlines()
    assert len(notes) == 3
    assert notes[0] == f"{tmp_path}/text.o: note: is not an ELF file, and is left out"
    assert "is not for BPF (e_machine " in notes[1]
    assert ended.stdout.count("accepted") == 2


def test_a_folder_and_a_fifo_are_said_and_not_read(tmp_path: Path) -> None:
    ended = verify(tmp_path, status=3)
    assert ended.stderr == f"{tmp_path}: error: is a folder\n  help: name the files: {tmp_path}/*.o\n"
    os.mkfifo(tmp_path / "x.o")
    assert "is no regular file" in verify(tmp_path / "x.o", status=2, timeout=10).stderr


def test_a_file_that_is_too_large_is_said_and_not_read(tmp_path: Path) -> None:
    large = tmp_path / "x.o"
    shutil.copy(compile_bpf(GOOD), large)
    os.truncate(large, 3 << 30)
    small = 1 << 30  # bytes of address space: to read it would fail
    ended = verify(
        "--json", large, status=2, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (small, small))
    )
    words = f"is {3 << 30} bytes, at most 256 MiB are read"
    assert ended.stderr == f"{large}: error: {words}\n"
    assert json.loads(ended.stdout)["results"][0]["message"] == words
    with pytest.raises(ObjectError, match=words):
        elf.read(large)


def test_csv_has_the_columns_of_verdict_json() -> None:
    good = compile_bpf(GOOD)
    (as_json, *_), text = rows(good), verify("--csv", good).stdout
    first, *_ = csv.DictReader(io.StringIO(text))
    assert [*first, "diagnosis"] == list(as_json)
    assert (first["program"], first["verdict"], first["tag"]) == ("good", "accepted", as_json["tag"])


def test_logs_are_kept_where_log_dir_says_and_nowhere_else(tmp_path: Path) -> None:
    shutil.copy(compile_bpf(GOOD), tmp_path / "x.o")
    verify("x.o", cwd=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["x.o"]
    found = rows("--log-dir", "logs", "x.o", cwd=tmp_path)
    assert b"processed" in (tmp_path / found[0]["log"]).read_bytes()
    assert found[0]["log"] == f"logs/x/verifier/{os.uname().release}/good.log"
    assert "wants --log-dir" in verify("--log", "full", "x.o", status=3, cwd=tmp_path).stderr


def test_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(compile_bpf(GOOD), tmp_path / folder / "x.o")
    found = rows("--log-dir", "logs", "a/x.o", "b/x.o", cwd=tmp_path)
    assert {row["object"] for row in found} == {"a/x.o", "b/x.o"}
    assert len({row["log"] for row in found}) == 4


@pytest.mark.parametrize("option", ["--log-dir", "--report"])
def test_as_root_what_is_written_belongs_to_the_owner_of_the_folder(tmp_path: Path, option: str) -> None:
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)  # pytest's are for root alone
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    shutil.copy(compile_bpf(BAD), theirs / "x.o")
    os.chown(theirs, 65534, 65534)
    found = rows(option, "theirs/new/folder", "theirs/x.o", cwd=tmp_path, status=1)
    assert [row["verdict"] for row in found] == ["refused", "accepted"]
    wrote = [*theirs.glob("new"), *theirs.rglob("new/**/*")]
    assert any(path.name == "pass.log" for path in wrote)
    owner = who_can_run_us()
    assert {(path.stat().st_uid, path.stat().st_gid) for path in wrote} == {(owner, owner)}


@pytest.mark.parametrize("names", [("x/y/b.o", "x_y/b.o", "z/b.o"), (".o", "..bpf.o", "...o", "_.o")])
def test_objects_whose_names_are_no_folders_keep_their_own_logs(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(compile_bpf(GOOD), tmp_path / name)
    found = rows("--log-dir", "logs", *names, cwd=tmp_path)
    logs = [row["log"] for row in found]
    assert len(set(logs)) == len(logs) == 2 * len(names)
    assert all((tmp_path / log).is_file() for log in logs)
    assert len(list((tmp_path / "logs").iterdir())) == len(names)


def test_type_is_for_programs_whose_section_does_not_tell() -> None:
    freplace = compile_bpf(
        HEADERS + GPL + 'SEC("freplace/f") int f(struct xdp_md *ctx) { return ctx->data; }'
    )
    (row,) = rows(freplace, status=2)
    assert (row["type"], row["verdict"]) == ("ext", "error")
    (row,) = rows("--type", "xdp", freplace)
    assert (row["type"], row["verdict"]) == ("xdp", "accepted")
    bare = compile_bpf(HEADERS + GPL + 'SEC("freplace") int f(struct xdp_md *ctx) { return ctx->data; }')
    (row,) = rows("--type", "xdp", bare)
    assert (row["type"], row["verdict"]) == ("xdp", "accepted")
    own = compile_bpf(HEADERS + GPL + 'SEC("mine") int f(void *ctx) { return 0; }')
    (row,) = rows(own, status=2)
    assert (row["program"], row["verdict"]) == ("f", "error") and 'SEC("mine") is not known' in row["message"]
    assert rows("--type", "socket_filter", own)[0]["verdict"] == "accepted"


@pytest.mark.parametrize("section", ["freplace", "freplace/f"])
def test_freplace_without_type_is_said_with_type(section: str) -> None:
    text = f'SEC("{section}") int f(struct xdp_md *ctx) {{ return 2; }}'
    ended = verify(compile_bpf(HEADERS + GPL + text), status=2)
    assert "--type TYPE" in ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("name", "help_"), [("XDP", "did you mean 'xdp'?"), ("nonsense", "known are cgroup_")]
)
def test_a_type_that_is_not_known_ends_with_3(name: str, help_: str) -> None:
    ended = verify("--type", name, compile_bpf(GOOD), status=3)
    assert ended.stderr.startswith(f"--type: error: is no type of programs: '{name}'\n  help: {help_}")
    assert ended.stdout == ""


def test_a_constant_is_seen_by_the_verifier() -> None:
    limited = compile_bpf(LIMITED)
    few, many = (rows("--set", f"limit={limit}", limited)[0]["processed_insns"] for limit in (1, 100))
    assert few < 20 < 200 < many


@pytest.mark.parametrize(
    ("word", "words"),
    [
        (
            "limt=1",
            "--set limt: error: no object has a global variable of that name\n  help: did you mean 'limit'?",
        ),
        ("limit", "--set limit: error: is not NAME=VALUE"),
        ("limit=many", "limit is int"),
        ("limit=4294967296", "does not fit"),
    ],
)
def test_a_constant_that_no_object_has_or_takes_ends_with_3(word: str, words: str) -> None:
    assert words in verify("--set", word, compile_bpf(LIMITED), status=3).stderr


def test_a_map_without_a_size_is_tried_with_one_entry() -> None:
    text = """struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, int);
	__type(value, int);
} seen SEC(".maps");
SEC("socket") int f(void *ctx) { int key = 0; return bpf_map_lookup_elem(&seen, &key) != 0; }
"""
    (row,) = rows(compile_bpf(HEADERS + GPL + text))
    assert row["verdict"] == "accepted"
    assert "max_entries of seen is 0" in row["note"]


def test_one_worker_and_several_say_the_same(tmp_path: Path) -> None:
    for number in range(6):
        shutil.copy(compile_bpf(BAD if number % 2 else GOOD), tmp_path / f"{number}.o")
    names = [tmp_path / f"{number}.o" for number in range(6)]

    def without_times(jobs: int) -> list[dict[str, Any]]:
        return [{**row, "verification_usec": 0} for row in rows("-j", jobs, *names, status=1)]

    assert without_times(1) == without_times(3)


def test_a_worker_that_ends_costs_its_own_file_alone(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        shutil.copy(compile_bpf(GOOD), tmp_path / f"{name}.o")
    # The first file that is opened in a worker after the fork ends that worker.
    code = """
import os, signal, sys
from bpfline import cli, elf
read = elf.contents
def or_die(path):
    if path.name == "b.o":
        os.kill(os.getpid(), signal.SIGKILL)
    return read(path)
elf.contents = or_die
sys.exit(cli.main(sys.argv[1:]))
"""
    ended = subprocess.run(
        [sys.executable, "-c", code, "verify", "--json", "-j", "2", "a.o", "b.o", "c.o"],
        env=ENVIRONMENT, cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ended.returncode == 2, ended.stderr
    assert "b.o: error: the worker that verified it ended with signal 9" in ended.stderr
    found = [(row["object"], row["verdict"]) for row in json.loads(ended.stdout)["results"]]
    assert found == [*[("a", "accepted")] * 2, ("b", "error"), *[("c", "accepted")] * 2]


@pytest.mark.parametrize(
    ("closed", "status"), [("0", 0), ("1", 0), ("2", 2)], ids=["stdin", "stdout", "stderr"]
)
def test_a_standard_stream_that_is_closed_changes_no_status(tmp_path: Path, closed: str, status: int) -> None:
    shutil.copy(compile_bpf(GOOD), tmp_path / "good.o")
    (tmp_path / "empty.o").touch()
    names = ["good.o", "empty.o"][: 2 if status else 1]
    code = "import os, sys; os.close(int(sys.argv[1])); os.execv(sys.argv[2], sys.argv[2:])"
    ended = subprocess.run(
        [sys.executable, "-c", code, closed, *BPFLINE, "verify", *names],
        env=ENVIRONMENT, cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ended.returncode == status
    assert "Traceback" not in ended.stderr and ("accepted" in ended.stdout) == (closed != "1")


def test_what_turns_the_direction_of_text_is_shown_as_a_number(tmp_path: Path) -> None:
    (tmp_path / "a\u202eb.o").touch()
    ended = verify("a\u202eb.o", cwd=tmp_path, status=2)
    assert "a\\u202eb.o: error: is empty" in ended.stderr


@pytest.mark.parametrize("send", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_asks_it_to_end_ends_all_workers(tmp_path: Path, send: signal.Signals) -> None:
    for number in range(300):
        os.link(compile_bpf(LIMITED), tmp_path / f"{number}.o")
    names = [f"{number}.o" for number in range(300)]
    process = subprocess.Popen(
        ["env", "--default-signal=INT", *BPFLINE, "verify", "-j", "2", "--set", "limit=20000", *names],
        env=ENVIRONMENT, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while not (workers := children.read_text().split()):
        assert process.poll() is None
        time.sleep(0.01)
    if send == signal.SIGINT:
        os.killpg(process.pid, send)  # as a terminal does
    else:
        os.kill(process.pid, send)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, "", "bpfline: interrupted\n")
    assert not any(Path("/proc", pid).exists() for pid in workers)


def test_it_starts_without_what_only_a_project_needs() -> None:
    code = (
        "import sys; from bpfline import cli; cli.main(['verify', '--json', sys.argv[1]]);"
        "print(*{'jinja2', 'doit', 'elftools', 'rich', 'tomllib', 'multiprocessing'} & set(sys.modules),"
        " file=sys.stderr)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, compile_bpf(GOOD)], env=ENVIRONMENT, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stderr) == (0, "\n")


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ('SEC("lsm") int p(void *ctx) { return 0; }', (), 'help: write SEC("lsm/NAME")\n'),
        ('SEC("freplace") int p(void *ctx) { return 0; }', (), "or give --type TYPE\n"),
        ("int p(void *ctx) { return 0; }", (), "help: give --type, such as --type tracepoint\n"),
        ("int p(void *ctx) { return 0; } int q(void *ctx) { return 1; }", (), "give each program its SEC()"),
        ('SEC("tc") int p(void *ctx) { return 0; }', ("no license",), 'SEC("license") = "GPL";\n'),
    ],
)  # fmt: skip
def test_without_a_project_no_help_speaks_of_its_settings(
    text: str, options: tuple[str, ...], said: str
) -> None:
    made = compile_bpf(HEADERS + text + ("\n" if options else GPL))
    ended = verify(made, status=0 if options else 2)
    assert said in ended.stderr
    assert "tool.bpfline" not in ended.stdout + ended.stderr


def test_programs_that_could_not_be_made_stand_in_the_order_of_the_programs() -> None:
    text = 'SEC("tc") int a(void *ctx) { return 0; }\nSEC("mine") int b(void *ctx) { return 0; }\n'
    found = rows(compile_bpf(HEADERS + text + 'SEC("xdp") int c(void *ctx) { return 2; }' + GPL), status=2)
    assert [(row["program"], row["verdict"]) for row in found] == [
        ("a", "accepted"),
        ("b", "error"),
        ("c", "accepted"),
    ]


@pytest.mark.parametrize("number", ["0", "-1", "x", "1.5", "9999999999"])
def test_a_wrong_number_of_workers_is_said_in_words(number: str) -> None:
    ended = verify("x.o", f"-j{number}", status=3)
    assert f"argument -j/--jobs: '{number}' is not a number of workers: 1 or more" in ended.stderr
    assert "_jobs" not in ended.stderr
