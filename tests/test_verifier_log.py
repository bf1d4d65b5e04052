# SPDX-License-Identifier: Apache-2.0
"""The parser of verifier logs, on real logs of eleven kernels and on what is left of them when cut."""

from __future__ import annotations

import io
import itertools
import re
import time
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import golden_logs
from bpfline import verifier_log
from bpfline.verifier_log import events, precision, states
from golden_logs import FIXTURES, Log, fixture

EVERY_LOG = golden_logs.logs()
KERNELS = ("5.10", "6.1", "6.12", "6.16", "6.17", "6.18", "6.19", "7.0", "7.1", "7.2", "7.3")


def raws(log: bytes) -> bytes:
    return b"".join(event.raw for event in verifier_log.read(log))


def at_level_2() -> list[Log]:
    return [log for log in FIXTURES if log.level == 6]


# Golden files


def test_the_fixtures_are_of_eleven_kernels_at_three_levels() -> None:
    assert {log.kernel for log in FIXTURES} == set(KERNELS)
    assert {log.level for log in FIXTURES} == {4, 5, 6}
    assert len(FIXTURES) == 11 * 20


@pytest.mark.parametrize("name", EVERY_LOG)
def test_a_log_is_parsed_as_it_was_when_it_was_read_critically(name: str) -> None:
    assert golden_logs.digest(EVERY_LOG[name]) == golden_logs.expected()[name]


def test_the_expected_file_is_of_the_logs_that_are_there() -> None:
    assert list(golden_logs.expected()) == list(EVERY_LOG)


@pytest.mark.parametrize("kernel", KERNELS)
def test_only_words_for_people_are_left_as_messages(kernel: str) -> None:
    """A line of a format that is not understood would be a Message too."""
    words = {
        event.text
        for log in FIXTURES
        if log.kernel == kernel
        for event in verifier_log.read(log.data)
        if isinstance(event, events.Message)
    }
    known = re.compile(
        r"R2 is not a scalar|invalid access to packet, |R1 (offset|min value) is outside of |Unreleased ref"
        r"|R0 invalid mem access 'map_value_or_null'|value -2147483648 makes map_value pointer be out of "
        r"|(unknown func|program of this type cannot use helper) bpf_|BPF_EXIT instruction in main prog "
    )
    assert words and all(known.match(text) for text in words), words


TYPES = re.compile(r"scalar|fp|ctx|pkt|pkt_end|map_ptr|(\w+_)?mem(_or_null)?|map_value(_or_null)?")


@pytest.mark.parametrize("log", FIXTURES, ids=lambda log: log.name)
def test_every_state_is_understood(log: Log) -> None:
    for event in verifier_log.read(log.data):
        state = states.parse(getattr(event, "state", ""))
        assert state.other == ()
        for value in (*state.regs.values(), *state.stack.values()):
            assert value.slots or TYPES.fullmatch(value.type)
            assert all(isinstance(attr, int) or name == "map" for name, attr in value.attrs.items())


@pytest.mark.parametrize("log", FIXTURES, ids=lambda log: log.name)
def test_a_refusal_has_messages_and_an_accepted_program_has_none(log: Log) -> None:
    summary = verifier_log.summary(log.data)
    assert bool(summary.messages) == bool(log.errno)
    assert not summary.cut


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_guess_of_the_kernel_is_never_wrong(kernel: str) -> None:
    version = tuple(map(int, kernel.split(".")))
    guesses = {verifier_log.summary(log.data).kernel for log in FIXTURES if log.kernel == kernel}
    for guess in guesses:
        first, last = _range(guess)
        assert first <= version <= last, guess


def _range(guess: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The first and the last kernel of "5.17 to 6.7", "up to 7.1", "7.3 and later" or "7.2"."""
    versions = [tuple(map(int, found.split("."))) for found in re.findall(r"\d+\.\d+", guess)]
    return (0,) if guess.startswith("up to") else versions[0], (99,) if "later" in guess else versions[-1]


# Reading


@pytest.mark.parametrize("name", EVERY_LOG)
def test_the_events_are_the_log(name: str) -> None:
    assert raws(EVERY_LOG[name]) == EVERY_LOG[name]


def test_an_event_has_the_number_of_its_line() -> None:
    log = fixture("7.3 bad_ref 5").data
    lines = log.split(b"\n")
    for event in verifier_log.read(log):
        assert event.raw.rstrip(b"\n") in lines[event.line - 1]


def test_a_state_joined_to_an_instruction_is_an_event_of_its_own() -> None:
    """Level 1 of 6.1 and later, after the log was set back to a branch."""
    found = list(verifier_log.read(fixture("6.18 bad_ref 5").data))
    insn, state = next(
        pair for pair in itertools.pairwise(found) if isinstance(pair[1], events.State) and pair[1].idx == 14
    )
    assert isinstance(insn, events.Insn) and isinstance(state, events.State)
    assert (insn.idx, insn.opcode, insn.text, insn.state) == (10, 0x16, "if w1 == 0x7 goto pc+3", "")
    assert states.parse(state.state).refs == (2,)
    assert insn.line == state.line
    assert insn.raw == b"10: (16) if w1 == 0x7 goto pc+3"
    assert state.raw == b" 14: R0=ringbuf_mem(ref_obj_id=2,sz=8) R1=7 R6=ctx() R10=fp0 refs=2\n"


def test_what_the_kernel_lists_before_it_verifies_is_no_visit() -> None:
    """From the hundredth on, a row of the listing of 7.1 and later looks like an instruction."""
    listing = b"".join(b"%3d: (b7) r1 = %d\n" % (number, number) for number in range(300))
    log = b"subprog#0: analyzing (depth 0)...\nsubprog#0 main:\n" + listing + (
        b"stack use/def subprog#0 main (d0,cs0):\n" + listing
        + b"Live regs before insn:\n      0: .1........ (b7) r1 = 0\n0: R1=ctx() R10=fp0\n"
        + b"100: (b7) r1 = 100                       ; R1=100\n100: safe\n"
    )  # fmt: skip
    assert [event.idx for event in verifier_log.read(log) if isinstance(event, events.Insn)] == [100]
    assert verifier_log.count(log).visits == {100: 2}
    for size in (1, 7, 100, 5000):  # however the listing is cut into pieces
        assert verifier_log.count(Trickle(log, size)).visits == {100: 2}


def test_lines_of_a_serial_console_are_read_too() -> None:
    log = fixture("7.3 bad_pkt 5").data
    console = log.replace(b"\n", b"\r\n")
    assert raws(console) == console
    assert golden_logs.digest(console) == golden_logs.digest(log)


def test_a_source_comment_with_an_at_sign_keeps_it() -> None:
    (source,) = verifier_log.read(b"; a @ b; @ c.h:1 @ x.c:23\n")
    assert source == events.Source(1, b"; a @ b; @ c.h:1 @ x.c:23\n", "a @ b; @ c.h:1", "x.c", 23)


def test_an_empty_source_comment_is_one() -> None:
    assert [event[2:] for event in verifier_log.read(b"; \n;\n;  @ t.bpf.c:0\n")] == [
        ("", None, None), ("", None, None), ("", "t.bpf.c", 0),
    ]  # fmt: skip


def test_a_speculative_branch_says_so() -> None:
    event, pruned = verifier_log.read(
        b"from 3 to 5 (speculative execution): R0=1 R10=fp0\nfrom 3 to 5 (speculative execution): safe\n"
    )
    assert event[2:] == (3, 5, True, False, "R0=1 R10=fp0")
    assert pruned[2:] == (3, 5, True, True, "")


def test_a_log_of_btf_load_ends_with_its_reason() -> None:
    log = golden_logs.wrapped("btf-refused.txt")
    assert verifier_log.summary(log).messages == ("[3] PTR (anon) type_id=9 Invalid type_id",)


# Cut and broken logs


@given(st.sampled_from(FIXTURES), st.data())
def test_a_log_cut_at_both_ends_is_read_whole(log: Log, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(log.data)))
    end = data.draw(st.integers(start, len(log.data)))
    cut = log.data[start:end]
    assert raws(cut) == cut
    verifier_log.summary(cut)
    verifier_log.count(cut)


def test_a_log_rotated_to_the_middle_of_a_line_keeps_all_but_that_line() -> None:
    log = fixture("7.3 bad_ref 6").data
    middle = len(log) // 2
    whole = list(verifier_log.read(log))
    tail = list(verifier_log.read(log[middle:]))
    assert isinstance(tail[0], events.ReportLine | events.Message | events.State)
    assert [event[2:] for event in tail[1:]] == [event[2:] for event in whole[len(whole) - len(tail) + 1 :]]


def test_a_log_without_its_end_says_so() -> None:
    log = fixture("5.10 bad_ref 5").data
    summary = verifier_log.summary(log[: log.index(b"verification time")])
    assert summary.cut and summary.messages == ("Unreleased reference id=2 alloc_insn=5",)
    assert verifier_log.summary(log[:300]).cut


LINES = [line for log in FIXTURES for line in log.data.splitlines(keepends=True)]
SCRAPS = (b"\n", b"\r", b"\0", b"99999999999: (", b"; ", b" @ ", b"R1=", b"Reason:\n", b"  >>> 1 | ", b"\xff")
PIECES = st.one_of(st.sampled_from(LINES), st.binary(max_size=60), st.sampled_from(SCRAPS))


@given(st.lists(PIECES, max_size=40))
def test_mixed_lines_and_random_bytes_raise_nothing_and_lose_nothing(parts: list[bytes]) -> None:
    log = b"".join(parts)
    found = list(verifier_log.read(log))
    assert b"".join(event.raw for event in found) == log
    assert [event.line for event in found] == sorted(event.line for event in found)
    for event in found:
        states.parse(getattr(event, "state", ""))
        if isinstance(event, events.Precision):
            precision.parse(event.text)
    verifier_log.summary(log)
    verifier_log.count(log)
    verifier_log.unwrap_all(log)


@given(st.text(st.sampled_from("R10=fp-8_w(),; inv?mPscalar0x9"), max_size=60))
def test_no_text_of_a_state_raises(text: str) -> None:
    states.parse(text)


class Trickle(io.RawIOBase):
    """A file that gives at most size bytes at once, as a pipe may."""

    def __init__(self, data: bytes, size: int):
        self.data = io.BytesIO(data)
        self.size = size

    def read(self, size: int = -1) -> bytes:
        return self.data.read(min(self.size, size) if size >= 0 else self.size)


@given(st.sampled_from(at_level_2()), st.integers(1, 3000))
def test_a_file_gives_what_its_bytes_give(log: Log, size: int) -> None:
    assert list(verifier_log.read(Trickle(log.data, size))) == list(verifier_log.read(log.data))
    assert verifier_log.count(Trickle(log.data, size)) == verifier_log.count(log.data)


# Counting


@pytest.mark.parametrize("log", at_level_2(), ids=lambda log: log.name)
def test_the_visits_add_up_to_what_the_verifier_processed(log: Log) -> None:
    counts = verifier_log.count(log.data)
    assert counts.total == verifier_log.summary(log.data).stats.processed_insns
    assert sum(counts.sources.values()) == counts.total


def test_each_source_comment_has_the_visits_of_its_instructions() -> None:
    counts = verifier_log.count(fixture("7.3 ok_global 6").data)
    loop = 'for (i = 0; i < 8; i++) { if (i >= x) break; s += i * x; asm volatile("" : "+r"(s)); }'
    # Once 9 to 12, and seven times the four instructions of the loop.
    assert counts.sources[loop, "t.bpf.c", 23] == 4 + 7 * 4
    assert counts.visits[13] == counts.visits[16] == 7
    assert counts.sources["return s;", "t.bpf.c", 24] == counts.visits[17] == 8
    assert counts.pruned == {17: 5}


def test_a_log_without_instructions_counts_nothing() -> None:
    assert verifier_log.count(fixture("7.3 bad_loop 4").data) == verifier_log.Counts(*[{}] * 6)


def long_log(size: int) -> Iterator[bytes]:
    """A level 2 log of about size bytes, in pieces: real lines, again and again."""
    logs = [log.data for log in at_level_2() if log.program == "ok_global"]
    while size > 0:
        size -= sum(map(len, logs))
        yield from logs


class Stream(io.RawIOBase):
    """A file of so many bytes that nobody holds them all."""

    def __init__(self, size: int):
        self.parts = long_log(size)

    def read(self, size: int = -1) -> bytes:
        return next(self.parts, b"")


def test_a_long_log_is_read_and_counted_in_bounded_memory() -> None:
    def peak(size: int) -> int:
        tracemalloc.start()
        try:
            for event in verifier_log.read(Stream(size)):
                assert event
            verifier_log.count(Stream(size))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(8 << 20) < 1.2 * peak(1 << 20) + (1 << 20)


def test_counting_reads_50_megabytes_a_second() -> None:
    log = b"".join(long_log(20_000_000))
    best = min(_seconds(log) for _ in range(3))
    assert len(log) / best > 50e6


def _seconds(log: bytes) -> float:
    start = time.perf_counter()
    verifier_log.count(log)
    return time.perf_counter() - start


@pytest.mark.parametrize(
    "word", [b"(", b"subprog#0 ", b"prog '", b"R1=", b" 1: ", b"load program: ", b"a,b=("]
)
def test_a_long_line_takes_linear_time(word: bytes) -> None:
    line = word * (200_000 // len(word))
    start = time.perf_counter()
    for end in (b"", b"\n", b":\n\t"):
        log = b"1: (b7) " + line + end + line
        raws(log)
        verifier_log.summary(log)
        verifier_log.count(log)
        verifier_log.unwrap_all(log)
        states.parse(log.decode())
    assert time.perf_counter() - start < 3
