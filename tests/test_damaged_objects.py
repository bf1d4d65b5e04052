# SPDX-License-Identifier: Apache-2.0
"""Damaged objects through the whole of `bpfline verify FILE.o`, on the running kernel: each ends in rows or
in one clear error, soon, in little memory, and leaves nothing loaded.

fuzz.py says how they are damaged, and tries as many as one likes:

    python tests/test_damaged_objects.py --cases 100000
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fuzz
from bpf_objects import GPL, HEADERS, compile_bpf
from fuzz import Answer, Case, Good

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def ask() -> Iterator[Callable[[Case], Answer]]:
    """Has a case verified by a process with limits."""
    with fuzz.child() as asked:
        yield asked


@pytest.fixture(scope="module")
def good() -> Good:
    return fuzz.good_objects()


def test_the_objects_are_good_before_they_are_damaged(ask: Callable[[Case], Answer], good: Good) -> None:
    for name, data in good.items():
        for whole in (data, bytes(fuzz.apart(data).together())):
            answer = ask(Case(name, whole))
            assert (answer.outcome, answer.wrong) == ("rows: accepted", ""), (name, answer)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_damaged_object_ends_in_rows_or_in_one_clear_error(
    ask: Callable[[Case], Answer], good: Good, data: st.DataObject
) -> None:
    answer = fuzz.checked(ask, data.draw(fuzz.cases(good)))
    assert not answer.wrong, f"{answer.wrong}: {answer}\n{answer.details}"
    assert answer.memory <= fuzz.MEMORY


@pytest.mark.parametrize(
    ("named", "said"),
    [
        (b"\0", "is damaged (a function has no name)"),
        (b"one\0", "is damaged (one() is there twice)"),
    ],
)
def test_a_function_that_cannot_be_told_by_its_name_is_damage(
    named: bytes, said: str, ask: Callable[[Case], Answer]
) -> None:
    both = 'SEC("xdp") int one(void *c) { return 1; } SEC("tc") int two(void *c) { return 2; }\n'
    good = compile_bpf(HEADERS + GPL + both).read_bytes()
    answer = ask(Case("twice", good.replace(b"two\0", named.ljust(4, b"\0"))))
    assert (answer.outcome, answer.wrong) == ("unreadable", "")
    assert said in answer.details


def test_names_without_an_end_are_not_compared_with_what_is_known(ask: Callable[[Case], Answer]) -> None:
    parts = fuzz.apart(
        compile_bpf(HEADERS + GPL + 'SEC("xdp") int one(void *c) { return 1; }\n').read_bytes()
    )
    strings = parts.contents[parts.names.index(".strtab")]
    parts.sections[parts.names.index("xdp")][0] = len(strings)
    strings += b"x" * 100_000 + b"\0"
    answer = ask(Case("long", bytes(parts.together())))
    assert (answer.outcome, answer.wrong) == ("unreadable", "")
    assert "is damaged (a name of more than 4096 bytes)" in answer.details


def test_a_section_cannot_speak_to_the_terminal(ask: Callable[[Case], Answer]) -> None:
    good = compile_bpf(
        HEADERS + GPL + 'SEC("xdp") int one(void *c) { return 1; }\nint odd SEC("odd.section") = 1;\n'
    ).read_bytes()
    answer = ask(Case("odd", good.replace(b"odd.section", b"\x1b]0;gone!\x07 ")))
    assert not answer.wrong, answer
    assert "section \\x1b]0;gone!\\x07  is not loaded" in answer.details


WITHOUT_KEY = "__uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 8); __uint(key_size, 0);"
USES = "*(volatile int *)bpf_map_lookup_elem(&none, big)"


@pytest.mark.parametrize(
    ("section", "value", "outcome"),
    [
        ("xdp", "0", "rows: accepted"),
        ("xdp", "0 * ODD", "rows: accepted"),  # the kernel refuses its BTF
        ("xdp", "*(volatile int *)8", "rows: refused"),
        ("xdp", USES, "rows: error"),  # no such map can be made
        ("xdp", "no_kfunc()", "rows: unsupported"),
        ("no_section", "0", "rows: error"),
    ],
)
def test_what_an_object_took_is_free_before_the_next_is_read(
    section: str, value: str, outcome: str, ask: Callable[[Case], Answer]
) -> None:
    source = f'struct {{ {WITHOUT_KEY} }} none SEC(".maps");\n' if value == USES else ""
    source += "extern int no_kfunc(void) __ksym;\n" if "kfunc" in value else ""
    source += f'int big[4];\nSEC("{section}") int one(void *c) {{ return big[1] + {value}; }}\n'
    parts = fuzz.apart(compile_bpf(HEADERS + GPL + "#define ODD 1\n" + source, name="big").read_bytes())
    if "ODD" in value:
        types = parts.contents[parts.names.index(".BTF")]
        types[:] = types.replace(b"\0one\0", b"\0o-e\0")
    parts.sections[parts.names.index(".bss")][5] = 160 << 20
    for _ in range(3):  # together they are more than the process may have
        answer = ask(Case("big", bytes(parts.together())))
        assert (answer.outcome, answer.wrong) == (outcome, ""), answer
        assert ("the kernel refuses the BTF" in answer.details) == ("ODD" in value)


if __name__ == "__main__":
    sys.exit(fuzz.main())
