# SPDX-License-Identifier: Apache-2.0
"""bpfline explain: logs of any loader from files and pipes, the pages of codes, and all in a wheel."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import bpfline
import bpfline_loader
import golden_diagnoses
from bpf_objects import FLAGS
from bpfline import explain_code
from bpfline.catalogue import CATALOGUE
from golden_logs import DATA, FIXTURES, fixture, wrapped

ROOT = Path(__file__).parent.parent
PACKAGES = os.pathsep.join(str(Path(package.__path__[0]).parent) for package in (bpfline, bpfline_loader))
ENVIRONMENT = {**os.environ, "PYTHONPATH": PACKAGES}


def explain(
    *args: object, status: int = 0, log: bytes = b"", **options: Any
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bpfline", "explain", *map(str, args)]
    ended = subprocess.run(command, env=ENVIRONMENT, capture_output=True, input=log, **options)
    out, err = ended.stdout.decode(), ended.stderr.decode()
    assert "Traceback" not in err, err
    assert ended.returncode == status, out + err
    return subprocess.CompletedProcess(command, ended.returncode, out, err)


@pytest.fixture(scope="module")
def t_object(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """t.bpf.c, of whose programs the fixtures are."""
    folder = tmp_path_factory.mktemp("t")
    source = folder / "t.bpf.c"
    source.write_bytes((DATA / "t.bpf.c").read_bytes())
    command = ["clang", "-target", "bpf", *FLAGS, "-c", "t.bpf.c", "-o", "t.o"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "t.o"


def first_lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines()[:2]]


@pytest.mark.parametrize("argument", [(), ("-",)])
def test_a_log_comes_from_standard_input(argument: tuple[str, ...]) -> None:
    ended = explain(*argument, log=fixture("6.18 bad_null 5").data)
    assert first_lines(ended.stdout) == [
        "error[BPF003]: the result of a map lookup is not checked for NULL",
        "--> t.bpf.c:40 (instruction 7)",
    ]
    assert ended.stderr == ""


def test_an_object_gives_columns_and_is_matched_to_the_log_by_its_instructions(t_object: Path) -> None:
    log = fixture("5.10 bad_range 5").data
    ended = explain("--object", "t.o", log=log, cwd=t_object.parent)
    assert first_lines(ended.stdout)[1] == "--> t.bpf.c:57:9 (program bad_range, instruction 13)"
    elsewhere = explain("--object", t_object, log=log, cwd=DATA)
    assert f"--> {t_object.parent}/t.bpf.c:57:9 " in elsewhere.stdout


def test_an_object_of_another_program_is_said_and_not_used(t_object: Path) -> None:
    insns = b"0: (b7) r0 = 1\n; return *x; @ y.c:7\n1: (79) r0 = *(u64 *)(r0 +0)\n"
    log = insns + b"R0 invalid mem access 'scalar'\n"
    ended = explain("--object", t_object, log=log)
    assert "--> y.c:7 (instruction 1)" in ended.stdout
    assert "--object: note: the log is not of this object" in ended.stderr


def test_a_log_without_line_numbers_says_what_would_give_them() -> None:
    assert "--object FILE.o gives them" in explain(log=fixture("6.1 bad_null 5").data).stderr
    assert "log level 1 or 2" in explain(log=fixture("6.1 bad_null 4").data).stderr


def test_what_bpftool_printed_is_explained_as_the_log_in_it() -> None:
    ended = explain(DATA / "bpftool-refused.txt")
    assert first_lines(ended.stdout) == [
        "error[BPF006]: packet access is not bounds-checked",
        "--> t.bpf.c:34 (program bad_pkt, instruction 6)",
    ]


@pytest.mark.parametrize("name", ["bpftool-poisoned.txt", "poisoned-by-kernel.txt"])
def test_a_field_that_the_kernel_lacks_is_named(name: str) -> None:
    ended = explain(log=wrapped(name))
    assert "error[BPF076]" in ended.stdout and "task_struct___mine.no_such_field" in ended.stdout


def cilium(log: bytes) -> bytes:
    """cilium/ebpf's VerifierError as %+v."""
    lines = b"".join(b"\t" + line + b"\n" for line in log.rstrip(b"\n").split(b"\n"))
    return b"program fails: load program: permission denied:\n" + lines


def libbpf(program: str, log: bytes) -> bytes:
    head = f"libbpf: prog '{program}': BPF program load failed: Permission denied\n"
    begin = f"libbpf: prog '{program}': -- BEGIN PROG LOAD LOG --\n"
    return head.encode() + begin.encode() + log + b"-- END PROG LOAD LOG --\n"


def test_what_ciliums_library_printed_is_explained() -> None:
    assert "error[BPF006]" in explain(log=cilium(fixture("6.18 bad_pkt 5").data)).stdout


def test_of_several_logs_each_refusal_is_explained_and_one_can_be_chosen() -> None:
    both = b"".join(
        libbpf(name, fixture(f"6.18 {name} 5").data) for name in ("ok_sub", "bad_pkt", "bad_null")
    )
    out = explain(log=both).stdout
    assert out.index("(program bad_pkt, ") < out.index("(program bad_null, ") and out.count("error[") == 2
    assert explain("--program", "bad_null", log=both).stdout.count("error[") == 1
    assert "did you mean 'bad_null'" in explain("--program", "bad_nul", log=both, status=2).stderr


def test_an_accepted_programs_log_is_said_to_be_one() -> None:
    ended = explain(log=fixture("6.18 ok_sub 5").data)
    assert (ended.stdout, ended.stderr) == ("", "standard input: note: tells of no refusal\n")


NO_LOGS = [
    b"",
    b"\0" * 100,
    b"\x7fELF\1\2",
    b"hello\n",
    b"a text\n" * 9,
    b"1:\n; x\n",
    b"[1] INT 'int' size=4\n",
]


@pytest.mark.parametrize("data", NO_LOGS)
def test_what_is_no_log_ends_with_2(data: bytes) -> None:
    ended = explain(log=data, status=2)
    assert ended.stderr.startswith("standard input: error: is no verifier log: ") and ended.stdout == ""


def test_our_own_files_are_no_logs() -> None:
    for name in ("README.md", "pyproject.toml", "bpfline/cli.py", "bpf_src/prog.c"):
        assert "is no verifier log" in explain(ROOT / name, status=2).stderr


REFUSED_FOR = b"R1 type=scalar expected=fp"


@pytest.mark.parametrize(
    "log",
    [
        REFUSED_FOR,
        REFUSED_FOR + b"\n",
        b"what a build server says\n" * 5000 + b"  " + REFUSED_FOR + b"\r\nand goes on\n" * 20,
        b"libbpf: prog 'x': -- BEGIN PROG LOAD LOG --\n" + REFUSED_FOR + b"\n-- END PROG LOAD LOG --\n",
        REFUSED_FOR + b"\n-- END PROG LOAD LOG --\n",
        b"load program: permission denied:\n\t" + REFUSED_FOR + b"\n",
    ],
)
def test_a_message_alone_is_explained_whatever_stands_around_it(log: bytes) -> None:
    out = explain(log=log).stdout
    assert out.startswith("error[BPF034]: ") and f"= {REFUSED_FOR.decode()}\n" in out
    assert "server" not in out and "goes on" not in out


def test_a_message_that_is_unknown_needs_something_that_shows_it_is_one() -> None:
    message = b"the verifier says something new\n"
    assert "is no verifier log" in explain(log=message, status=2).stderr
    for log in (
        b"libbpf: prog 'x': -- BEGIN PROG LOAD LOG --\n" + message,
        message + b"processed 3 insns (limit 1000000)\n",
    ):
        assert explain(log=log).stdout.startswith("error: the verifier says something new\n")


def test_files_that_cannot_be_read_end_with_what_to_do(tmp_path: Path) -> None:
    assert "is a folder" in explain(tmp_path, status=3).stderr
    assert "cannot be read: No such file" in explain(tmp_path / "x.log", status=2).stderr
    assert (
        "cannot be read: No such file"
        in explain("--object", tmp_path / "x.o", log=b"R0 !read_ok", status=2).stderr
    )


def test_full_has_the_log_and_passes_nothing_on_that_a_terminal_obeys() -> None:
    log = fixture("6.18 bad_null 5").data.replace(b"*v += 1;", b"*v += 1; \x1b[2J")
    out = explain("--full", log=log).stdout
    assert "1: (63) *(u32 *)(r10 -4) = r1         ; R1=1" in out
    assert "\x1b" not in out and "\\x1b[2J" in out


def test_json_is_what_its_schema_says(t_object: Path) -> None:
    schema = json.loads((ROOT / "docs" / "explain.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    all_logs = b"".join(libbpf(log.program, log.data) for log in FIXTURES if log.errno)
    for arguments in ((), ("--object", t_object)):
        found = json.loads(explain("--json", *arguments, log=all_logs).stdout)
        Draft202012Validator(schema).validate(found)
        assert len(found["results"]) == sum(log.errno != 0 for log in FIXTURES)


@pytest.mark.parametrize("word", ["BPF006", "bpf006", "BPF6"])
def test_a_code_prints_its_page(word: str) -> None:
    assert explain(word).stdout == (ROOT / "docs" / "errors" / "BPF006.md").read_text()


def test_a_code_for_programs_is_what_the_schema_says() -> None:
    schema = json.loads((ROOT / "docs" / "explain.schema.json").read_text())
    for entry in CATALOGUE:
        Draft202012Validator(schema).validate(explain_code.to_json(entry.code))
    found = json.loads(explain("bpf6", "--json").stdout)
    assert found["code"] == "BPF006" and found["page"] == explain("BPF006").stdout


@pytest.mark.parametrize(("word", "near"), [("BPF999", "BPF093"), ("BPF660", "BPF060"), ("bpf000", "BPF080")])
def test_a_code_that_is_none_names_those_that_are_like_it(word: str, near: str) -> None:
    for options in ((), ("--json",)):
        error = explain(word, *options, status=3).stderr
        assert "there is no BPF" in error and "the codes are BPF001 to BPF093; " in error
        assert near in error.partition("like it are ")[2]


@pytest.mark.parametrize("option", [("--object", "x.o"), ("--program", "x"), ("--full",)])
def test_a_code_takes_no_options_of_logs(option: tuple[str, ...]) -> None:
    assert f"BPF006 is a code, which takes no {option[0]}" in explain("BPF006", *option, status=3).stderr


def test_the_samples_of_the_documentation_are_what_is_said() -> None:
    document = (ROOT / "docs" / "explain.md").read_text()
    samples = [
        "".join(line[4:] + "\n" for line in sample.splitlines())
        for sample in re.findall(r"^    error\[.*\n(?:    .*\n)+", document, re.M)
    ]
    refused = golden_diagnoses.text(fixture("6.18 bad_pkt 5"), with_object=True)
    refused = refused.replace("t.bpf.c", "bpf_src/x.bpf.c").replace("program bad_pkt", "program fails")
    assert samples == [refused, explain(DATA / "cilium-0.22-BPF003.txt").stdout]


def test_a_wheel_has_the_page_of_every_code(tmp_path: Path) -> None:
    from hatchling.builders.wheel import WheelBuilder

    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"bpfline/error_pages/{entry.code}.md" for entry in CATALOGUE} <= names
