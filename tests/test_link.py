# SPDX-License-Identifier: Apache-2.0
"""Linking: the functions that an entry reaches, each once, the entry first, every call to its callee."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import objects
from bpfline import elf
from bpfline.errors import AuditError
from bpfline_loader.bundle import Program
from bpfline_loader.load import load

_FUNCTIONS = 6


def _c(calls: list[list[int]], static: list[bool], order: list[int]) -> str:
    """A program of functions f0 to f5, f0 the entry: fN(a) is a + N and the sum of what it calls."""
    kinds = [
        ("static " if static[n] else "") + f"__attribute__((noinline)) int f{n}(int a)"
        for n in range(_FUNCTIONS)
    ]
    kinds[0] = "int f0(void *ctx)"
    bodies = []
    for n in order:
        start = "int a = 1;" if n == 0 else ""
        terms = " + ".join(["a", str(n), *(f"f{callee}(a + {n})" for callee in calls[n])])
        bodies.append(f'{kinds[n]}\n{{\n\t{start}\n\tasm volatile("" : "+r"(a));\n\treturn {terms};\n}}\n')
    unused = '#pragma clang diagnostic ignored "-Wunused-function"\n'
    return unused + "".join(f"{kind};\n" for kind in kinds) + "".join(bodies)


def _result(calls: list[list[int]], n: int, a: int) -> int:
    return a + n + sum(_result(calls, callee, a + n) for callee in calls[n])


# Each function calls later ones only, up to three times, so no call comes back: 6 frames at most of 8.
_CALLS = st.tuples(
    *(st.lists(st.integers(n + 1, _FUNCTIONS - 1), max_size=3) for n in range(_FUNCTIONS - 1))
).map(lambda lists: [*lists, []])


@pytest.mark.kernel
@settings(max_examples=25, deadline=None)
@given(
    calls=_CALLS,
    static=st.lists(st.booleans(), min_size=_FUNCTIONS, max_size=_FUNCTIONS),
    order=st.permutations(range(_FUNCTIONS)),
)
def test_whatever_calls_whatever_the_linked_program_gives_the_same_number(
    calls: list[list[int]], static: list[bool], order: list[int]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = objects.compiled(_c(calls, static, order), Path(folder))
        parts = objects.audited(made, entry="f0", license="GPL")
    assert objects.returned(parts.programs[0].insns) == _result(calls, 0, 1)


SHARED = f"""{objects.NOINLINE}
NOINLINE int unused_by_a(int x) {{ asm volatile("" : "+r"(x)); return x + 1; }}
NOINLINE int used(int x) {{ asm volatile("" : "+r"(x)); return x * 3; }}
int a(void *ctx) {{ return used(1) + used(2); }}
int b(void *ctx) {{ return used(1) + unused_by_a(2); }}
"""


def test_a_program_holds_what_it_reaches_once_and_nothing_else(tmp_path: Path) -> None:
    made = objects.compiled(SHARED, tmp_path)
    found = elf.read(made)
    sizes = {symbol.name: symbol.size for symbol in found.functions(found.by_name[".text"])}
    for entry, callees in (("a", ("used",)), ("b", ("used", "unused_by_a"))):
        (part,) = objects.audited(made, entry=entry, license="GPL").programs
        assert len(part.insns) == sizes[entry] + sum(sizes[name] for name in callees)
        assert not part.alone


def test_callees_follow_in_the_order_of_their_first_calls(tmp_path: Path) -> None:
    text = f"""{objects.NOINLINE}
NOINLINE int last(int x) {{ asm volatile("" : "+r"(x)); return x + 300; }}
NOINLINE int inner(int x) {{ asm volatile("" : "+r"(x)); return x + 200; }}
NOINLINE int outer(int x) {{ asm volatile("" : "+r"(x)); return inner(x) + 100; }}
int prog(void *ctx) {{ return outer(1) + last(2); }}
"""
    (part,) = objects.audited(objects.compiled(text, tmp_path), license="GPL").programs
    added = [imm for code, _, _, _, imm in objects.instructions(part.insns) if code == 0x04 and imm >= 100]
    assert added == [100, 200, 300]  # depth-first, as libbpf: outer, inner, last


def test_a_section_that_is_the_program_is_left_as_it_is(tmp_path: Path) -> None:
    made = objects.compiled("int prog(void *ctx) { return 0; }\n", tmp_path)
    (part,) = objects.audited(made, license="GPL").programs
    assert part.alone and part.insns == elf.read(made).by_name[".text"].data


def test_a_function_that_is_not_there_is_named_at_the_call(tmp_path: Path) -> None:
    made = objects.compiled("int missing(void);\nint prog(void *ctx)\n{\n\treturn missing();\n}\n", tmp_path)
    with pytest.raises(AuditError, match=r"calls missing\(\), which this object does not have") as caught:
        objects.audited(made)
    assert caught.value.where == "prog.c:4:9"


@pytest.mark.kernel
def test_recursion_links_and_the_kernel_refuses_it(tmp_path: Path) -> None:
    text = f"""{objects.NOINLINE}
NOINLINE int odd(int x);
NOINLINE int even(int x) {{ asm volatile("" : "+r"(x)); return x ? odd(x - 1) + 1 : 0; }}
NOINLINE int odd(int x) {{ asm volatile("" : "+r"(x)); return x ? even(x - 1) + 1 : 0; }}
int prog(void *ctx) {{ return even(5); }}
"""
    (part,) = objects.audited(objects.compiled(text, tmp_path), license="GPL").programs
    attempt = load(Program("prog", ".text", "socket_filter", None, part.insns), "GPL")
    assert (attempt.fd, attempt.verdict) == (None, "refused")
    assert "frames is too deep" in attempt.message
