# SPDX-License-Identifier: Apache-2.0
"""Parts of a verifier log: the report of 7.3, states, backtracking, loaders' words, poisoned instructions."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

import golden_logs
from bpfline import verifier_log
from bpfline.verifier_log import precision, states
from bpfline.verifier_log.poison import Poison
from golden_logs import FIXTURES, Log, fixture

# The report of 7.3


def test_the_report_tells_place_path_and_suggestion() -> None:
    report = verifier_log.summary(fixture("7.3 bad_ref 6").data).report
    assert report and report.at
    assert (report.category, report.problem) == ("Resource Lifetime Safety", "Unreleased resource")
    assert report.reason == (
        "Owned resource (id=2) was acquired at instruction 5 and still needs to be released "
        "before this exit path."
    )
    at = report.at
    assert (at.function, at.file, at.line, at.column, at.insn) == ("bad_ref", "t.bpf.c", 51, 1, 15)
    assert (at.kind, at.label) == ("error", "owned resource (id=2) still needs release")
    assert [(place.line, place.kind, place.insn) for place in report.path] == [
        (45, "acquired", 5),
        (46, "branch", 6),
        (48, "branch", 10),
    ]
    assert report.suggestion.startswith("Release or transfer ownership")
    assert report.text.startswith("Verification failed: ") and report.text.endswith("exits.")


def test_a_label_on_two_lines_is_one() -> None:
    report = verifier_log.summary(fixture("7.3 bad_null 5").data).report
    assert report and report.path[0].label == (
        "R0 changed from uninitialized value to nullable map value from h at offset 0"
    )


def test_a_report_without_line_info_has_its_instruction() -> None:
    """The form that diagnostics.c prints for a program without BTF line_info."""
    log = b"""0: R1=ctx() R10=fp0
0: (95) exit
R0 !read_ok

Verification failed: Register Type Safety: Unreadable register

Reason:
  R0 has never been initialized on this path, so the verifier cannot use it as an input.

At:
  insn 0
        | ^-- error: R0 is not readable
  Instruction context:
  >>> 0 | (95) exit

Causal path:
  no retained diagnostic events on this path

Suggestion:
  Initialize R0 on every path before this instruction.

processed 1 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
"""
    summary = verifier_log.summary(log)
    report = summary.report
    assert summary.messages == ("R0 !read_ok",)
    assert report and report.at
    assert (report.at.insn, report.at.function, report.at.line) == (0, "", None)
    assert (report.at.kind, report.at.label) == ("error", "R0 is not readable")
    assert (report.path, report.note) == ((), "no retained diagnostic events on this path")


@given(st.integers(0, 5000))
def test_a_report_cut_anywhere_gives_what_is_left_of_it(start: int) -> None:
    report = verifier_log.summary(fixture("7.3 bad_ref 6").data[start:]).report
    assert report is None or report.suggestion.startswith("Release or transfer ownership")


# States and precision


@pytest.mark.parametrize(
    ("text", "kind", "const", "attrs", "precise"),
    [
        ("inv2", "scalar", 2, {}, False),
        ("invP-3", "scalar", -3, {}, True),
        ("invP(id=0,umin_value=3,s32_max_value=7)", "scalar", None, {"id": 0, "umin": 3, "smax32": 7}, True),
        ("P0", "scalar", 0, {}, True),
        ("Pscalar(umax=9,s32_min=-1)", "scalar", None, {"umax": 9, "smin32": -1}, True),
        ("scalar(smin=smin32=-8)", "scalar", None, {"smin": -8, "smin32": -8}, False),
        ("scalar(smin=0xffffffff80000000)", "scalar", None, {"smin": -(1 << 31)}, False),
        ("scalar(umax=0xffffffffffffffff)", "scalar", None, {"umax": (1 << 64) - 1}, False),
        ("fp0,call_-1", "fp", 0, {}, False),
        ("fp-16", "fp", -16, {}, False),
        ("map_value_or_null(id=1,map=7)", "map_value_or_null", None, {"id": 1, "map": "7"}, False),
        ("trusted_ptr_task_struct(id=1)", "trusted_ptr_task_struct", None, {"id": 1}, False),
    ],
)
def test_a_register_of_each_format(
    text: str, kind: str, const: int | None, attrs: dict[str, int | str], precise: bool
) -> None:
    value = states.parse(f"R1={text}").regs[1]
    assert (value.type, value.const, value.attrs, value.precise) == (kind, const, attrs, precise)
    assert states.parse(f"fp-8={text}").stack[-8] == value


def test_a_stack_slot_is_letters_or_a_value_or_both() -> None:
    stack = states.parse("fp-8=mmmm???? fp-16_w=????7 fp-24=0000scalar(umax=3) fp-32=mem(sz=8) fp-40=0").stack
    assert [(value.slots, value.type, value.const) for value in stack.values()] == [
        ("mmmm????", "", None),
        ("????", "scalar", 7),
        ("0000", "scalar", None),
        ("", "mem", None),
        ("", "scalar", 0),
    ]
    assert stack[-16].live == "w"


def test_steps_of_backtracking_of_old_and_new_kernels_say_the_same() -> None:
    step = "before 13: (0c) w0 += w1"
    old = precision.parse(f"regs=c stack=1 {step}")
    new = precision.parse(f"mark_precise: frame0: regs=r2,r3 stack=-8 {step}")
    assert new == precision.Step("before", 0, 13, (2, 3), (-8,), "(0c) w0 += w1")
    assert old == dataclasses.replace(new, frame=None)


# Wrapped logs


@pytest.mark.parametrize("log", FIXTURES[::7], ids=lambda log: log.name)
def test_a_log_comes_out_of_every_loaders_words_as_it_went_in(log: Log) -> None:
    lines = log.data.removesuffix(b"\n").split(b"\n")
    for text, loader in (
        (b"libbpf: prog 'x': BPF program load failed: -EACCES\nlibbpf: prog 'x': -- BEGIN PROG LOAD LOG --\n"
         + log.data + b"-- END PROG LOAD LOG --\nlibbpf: prog 'x': failed to load: -13\n", "libbpf"),
        (b"Error loading: field X: program x: load program: permission denied:\n"
         + b"".join(b"\t" + line + b"\n" for line in lines) + b"exit status 1\n", "cilium/ebpf"),
        (b"Error: the BPF_PROG_LOAD syscall failed. Verifier output: " + log.data
         + b"\n\nCaused by:\n    Permission denied (os error 13)\n", "aya"),
        (b'LoadError { io_error: Os { code: 13 }, verifier_log: "' + log.data.replace(b"\\", rb"\\")
         .replace(b'"', rb"\"").replace(b"\n", rb"\n").replace(b"\t", rb"\t") + b'" }\n', "aya"),
    ):  # fmt: skip
        (found,) = verifier_log.unwrap_all(text)
        assert (found.loader, found.log) == (loader, log.data)


def test_what_bpftool_prints_has_a_log_for_each_program_and_the_last_is_refused() -> None:
    text = golden_logs.wrapped("bpftool-refused.txt")
    logs = verifier_log.unwrap_all(text)
    assert [(log.program, bool(verifier_log.summary(log.log).messages)) for log in logs] == [
        ("ok_sub", False), ("ok_global", False), ("bad_pkt", True),
    ]  # fmt: skip
    assert verifier_log.unwrap(text) == logs[-1].log
    assert all(log.log.endswith(b"mark_read 0\n") for log in logs)


def test_a_quoted_mail_is_unquoted() -> None:
    text = golden_logs.wrapped("bpftool-refused.txt")
    mail = b"".join(b"> > " + line for line in text.splitlines(keepends=True))
    assert verifier_log.unwrap_all(mail) == verifier_log.unwrap_all(text)


def test_libbpfs_words_cut_at_either_end_still_give_the_log() -> None:
    text = golden_logs.wrapped("bpftool-poisoned.txt")
    log = verifier_log.unwrap(text)
    begin, end = text.index(log), text.index(b"-- END PROG LOAD LOG --")
    assert verifier_log.unwrap(text[begin + 9 :]) == log[9:]
    assert verifier_log.unwrap(text[: end - 20]) == log[:-20]


def test_ciliums_omitted_lines_are_counted_and_left_out() -> None:
    text = b"load program: invalid argument:\n\t0: R1=ctx() R10=fp0\n\t(12 line(s) omitted)\n\tR0 !read_ok\n"
    (found,) = verifier_log.unwrap_all(text)
    assert (found.log, found.omitted) == (b"0: R1=ctx() R10=fp0\nR0 !read_ok\n", 12)


def test_ciliums_one_line_is_taken_apart() -> None:
    text = (
        b"load program: permission denied: 9: (69) r5 = *(u16 *)(r1 +0): "
        b"R1 invalid mem access 'scalar' (17 line(s) omitted)"
    )
    (found,) = verifier_log.unwrap_all(text)
    assert (found.log, found.omitted) == (
        b"9: (69) r5 = *(u16 *)(r1 +0)\nR1 invalid mem access 'scalar'\n",
        17,
    )


def test_a_bare_log_is_left_as_it_is() -> None:
    for log in FIXTURES:
        assert verifier_log.unwrap(log.data) is log.data


# Poisoned instructions


def test_a_poisoned_relocation_is_known_in_libbpfs_words_and_in_the_kernels() -> None:
    for text in (golden_logs.wrapped("bpftool-poisoned.txt"), golden_logs.wrapped("poisoned-by-kernel.txt")):
        summary = verifier_log.summary(verifier_log.unwrap(text))
        assert summary.insn and summary.insn.idx == 1
        assert verifier_log.poison(summary.insn.text) == Poison("core")
        assert summary.messages
    assert verifier_log.poison(summary.messages[-1]) == Poison("core")


def test_poisoned_maps_and_kfuncs_have_their_number() -> None:
    assert verifier_log.poison("call unknown#2001000003") == Poison("map", 3)
    assert verifier_log.poison("call unknown#2002000000") == Poison("kfunc", 0)
    assert verifier_log.poison("<invalid kfunc call>") == Poison("kfunc")
    assert verifier_log.poison("call unknown#9999") is None
    assert verifier_log.poison("call bpf_map_lookup_elem#1") is None
