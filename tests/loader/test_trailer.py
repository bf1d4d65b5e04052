# SPDX-License-Identifier: Apache-2.0
"""The end of a verifier log, as kernels from 5.10 to 7.3 print it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfline_loader import trailer
from bpfline_loader.trailer import Stats

DATA = Path(__file__).parent / "data"

LOGS = {
    "5.10": b"""\
invalid access to packet, off=23 size=1, R1(id=0,off=23,r=14)
R1 offset is outside of the packet
verification time 5250 usec
stack depth 4+16
processed 7 insns (limit 1000000) max_states_per_insn 0 total_states 3 peak_states 2 mark_read 1
""",
    "7.2": b"""\
invalid access to packet, off=23 size=1, R1(id=0,off=23,r=14)
R1 offset is outside of the packet
verification time 5250 usec
stack depth 4+16 max 16
insns processed 3+4
processed 7 insns (limit 1000000) max_states_per_insn 0 total_states 3 peak_states 2 mark_read 0
""",
    "7.3, no report": b"""\
invalid access to packet, off=23 size=1, R1(id=0,off=23,r=14)
R1 offset is outside of the packet
verification time 5250 usec
stack depth max 16
subprog 0 (main) main insns_self 3 insns_total 7 stack 4
subprog 1 (<unknown>) static insns_self 4 insns_total 4 stack 16
processed 7 insns (limit 1000000) max_states_per_insn 0 total_states 3 peak_states 2 mark_read 0
""",
    "7.3, report": b"""\
6: (71) r1 = *(u8 *)(r1 +23)
invalid access to packet, off=23 size=1, R1(id=0,off=23,r=14)
R1 offset is outside of the packet

Verification failed: Memory Safety: Access outside bounds

Reason:
  The access may reach past the end of the packet.

At:
  main @ t.bpf.c:34:10
  Source context:
  >>> 34 |         if (ip->protocol == IPPROTO_TCP) return XDP_DROP;
         |         ^-- error: access may be outside object bounds

Suggestion:
  Add or adjust a bounds check that proves offset + access_size stays within the object.

verification time 5250 usec
stack depth max 16
subprog 0 (main) main insns_self 3 insns_total 7 stack 4
subprog 1 (sub) static insns_self 4 insns_total 4 stack 16
processed 7 insns (limit 1000000) max_states_per_insn 0 total_states 3 peak_states 2 mark_read 0
""",
    "a later one, with a line that nobody knows": b"""\
invalid access to packet, off=23 size=1, R1(id=0,off=23,r=14)
R1 offset is outside of the packet
verification time 5250 usec
joules used 3
stack depth 4+16
processed 7 insns (limit 2000000) total_states 3 something 5 peak_states 2
""",
}


@pytest.mark.parametrize("log", LOGS.values(), ids=LOGS)
def test_every_kernels_trailer_gives_the_same_figures_and_words(log: bytes) -> None:
    assert trailer.parse(log) == Stats(7, 3, 2, 20, 5250)
    assert trailer.last_words(log) == (
        "invalid access to packet, off=23 size=1, R1(id=0,off=23,r=14); R1 offset is outside of the packet"
    )


def test_the_log_of_a_real_load_gives_what_the_kernel_counted() -> None:
    log = (DATA / "refused-6.18.log").read_bytes()
    assert trailer.parse(log) == Stats(1, 0, 0, 0, 50)
    assert trailer.last_words(log) == "R0 !read_ok"


def test_a_report_without_words_before_it_gives_its_heading() -> None:
    log = b"6: (95) exit\n\nVerification failed: Policy: Operation is not allowed\n\nReason:\n  x\n"
    assert trailer.last_words(log) == "Policy: Operation is not allowed"


def test_states_around_the_words_are_left_out() -> None:
    log = (
        b"; while (n < 1) { n = 0; } @ t.bpf.c:62\ninfinite loop detected at insn 6\n"
        b"cur state: R1=1 R10=fp0\nold state: R1=P1 R10=fp0\nverification time 1 usec\n"
        b"stack depth 8\nprocessed 15 insns (limit 1000000) total_states 1 peak_states 1 mark_read 0\n"
    )
    assert trailer.last_words(log) == "infinite loop detected at insn 6"


def test_what_6_1_says_of_static_functions_is_a_reason_only_where_nothing_else_is() -> None:
    noted = b"reg type unsupported for arg#0 function handle#193\n"
    end = b"processed 7 insns (limit 1000000)\n"
    assert trailer.last_words(noted + b"R1 is bad\n" + end) == "R1 is bad"
    assert trailer.last_words(noted + end) == noted.decode().strip()


def test_source_text_that_looks_like_a_trailer_is_not_one() -> None:
    log = (
        b"processed 99 insns (limit 9) total_states 9 peak_states 9\nstack depth 99\n"
        b"; processed 98 insns\nverification time 5 usec\n"
        b"processed 2 insns (limit 1000000) total_states 0 peak_states 0 mark_read 0\n"
    )
    assert trailer.parse(log) == Stats(2, 0, 0, None, 5)


def test_a_log_without_a_trailer_has_no_figures() -> None:
    assert trailer.parse(b"") == trailer.parse(b"fd 7 is not pointing to valid bpf_map\n") == Stats()
    assert trailer.last_words(b"") == ""
    assert trailer.last_words(b"fd 7 is not pointing to valid bpf_map\n") == (
        "fd 7 is not pointing to valid bpf_map"
    )


@given(st.lists(st.one_of(st.binary(), st.sampled_from([*LOGS.values(), b"\n", b"processed 9" * 999]))))
def test_no_bytes_make_it_fail(pieces: list[bytes]) -> None:
    log = b"".join(pieces)
    assert isinstance(trailer.parse(log), Stats)
    assert "\n" not in trailer.last_words(log)


def test_a_number_of_thousands_of_digits_does_not_make_it_fail() -> None:
    assert trailer.parse(b"processed " + b"9" * 10_000 + b" insns").processed_insns is not None
