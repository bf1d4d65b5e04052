# SPDX-License-Identifier: Apache-2.0
"""Linking: the functions that an entry reaches, each once, the entry first, every call to its callee."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bpf_objects
import objects
from bpfline import btf_ext, elf, maps
from bpfline.btf_ext import Ext
from bpfline.errors import AuditError
from bpfline.link import Linked, link
from bpfline.relocate import Functions
from bpfline_loader.btf import Btf
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
    assert part.insns == elf.read(made).by_name[".text"].data


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


NESTED = f"""{bpf_objects.HEADERS}
static __noinline int unused(int x) {{ asm volatile("" : "+r"(x)); return x + 400; }}
static __noinline int last(int x) {{ asm volatile("" : "+r"(x)); return x + 300; }}
__noinline int inner(int x) {{ asm volatile("" : "+r"(x)); return x + 200; }}
static __noinline int outer(int x) {{ asm volatile("" : "+r"(x)); return inner(x) + last(x) + 100; }}
SEC("tc") int first(struct __sk_buff *ctx) {{ return last(1) + outer(2); }}
SEC("xdp") static __noinline int beside(int x) {{ asm volatile("" : "+r"(x)); return outer(x) + 500; }}
SEC("xdp") int second(struct xdp_md *ctx) {{ return beside(1) + inner(1); }}
SEC("xdp") int third(struct xdp_md *ctx) {{ return unused(1); }}
{bpf_objects.GPL}"""


def nested() -> tuple[elf.ObjectFile, dict[str, Program]]:
    made = bpf_objects.compile_bpf(NESTED)
    return elf.read(made), {program.name: program for program in objects.audited(made).programs}


@pytest.mark.parametrize(
    ("program", "functions"),
    [
        ("first", ["first", "last", "outer", "inner"]),
        ("second", ["second", "beside", "outer", "inner", "last"]),
        ("third", ["third", "unused"]),
    ],
)
def test_each_program_has_its_own_copies_depth_first_and_calls_them_where_they_stand(
    program: str, functions: list[str]
) -> None:
    found, programs = nested()
    symbols = {symbol.name: symbol for symbol in found.symbols if symbol.type == "STT_FUNC"}
    code, starts = b"", {}
    for name in functions:
        symbol = symbols[name]
        starts[name] = len(code) // 8
        assert symbol.section is not None
        code += found.sections[symbol.section].data[symbol.value : symbol.value + symbol.size]
    insns = objects.instructions(programs[program].insns)
    calls = [at for at, insn in enumerate(insns) if (insn[0], insn[2]) == (0x85, 1)]
    # But for the distances of its calls the program is its functions, one behind the other.
    expected = objects.instructions(code)
    assert [insn[:4] for insn in insns] == [insn[:4] for insn in expected]
    assert [insn for at, insn in enumerate(insns) if at not in calls] == [
        insn for at, insn in enumerate(expected) if at not in calls
    ]
    names = {start: name for name, start in starts.items()}
    called = {
        "first": ["last", "outer"],
        "second": ["beside", "inner"],
        "third": ["unused"],
        "beside": ["outer"],
        "outer": ["inner", "last"],
    }
    assert [names[at + 1 + insns[at][4]] for at in calls] == [
        callee for name in functions for callee in called.get(name, [])
    ]


def records(data: bytes, words: int) -> list[tuple[int, ...]]:
    return list(struct.iter_unpack(f"<{words}I", data))


def test_records_move_with_their_functions_and_those_of_others_stay_away() -> None:
    found, programs = nested()
    btf = Btf.parse(found.by_name[".BTF"].data)
    symbols = {symbol.name: symbol for symbol in found.symbols if symbol.type == "STT_FUNC"}
    for program in programs.values():
        functions = [(at, btf.type(type_id).name) for at, type_id in records(program.func_info, 2)]
        ends = [at for at, _ in functions[1:]] + [len(program.insns) // 8]
        assert functions[0] == (0, program.name)
        assert [end - at for (at, _), end in zip(functions, ends, strict=True)] == [
            symbols[name].size // 8 for _, name in functions
        ]
        offsets = [at for at, _, _, _ in records(program.line_info, 4)]
        assert offsets == sorted(set(offsets))
        for (start, name), end in zip(functions, ends, strict=True):
            lines = {line for at, _, line, _ in records(program.line_info, 4) if start <= at < end}
            assert lines and all(f"{name}(" in btf.string(line) for line in lines)  # each stands on one line


CALLBACKS = f"""{bpf_objects.HEADERS}
static __noinline int helper(int x) {{ asm volatile("" : "+r"(x)); return x + 7; }}
static int unrelated(__u32 i, void *c) {{ asm volatile(""); return 3; }}
static int step(__u32 i, void *c) {{ return helper(i); }}
__noinline int visible(__u32 i, void *c) {{ return 1; }}
SEC("tc") int prog(struct __sk_buff *ctx)
{{
	bpf_loop(4, step, 0, 0);
	bpf_loop(4, visible, 0, 0);
	return bpf_loop(4, step, 0, 0);
}}
SEC("tc") int other(struct __sk_buff *ctx) {{ return bpf_loop(1, unrelated, 0, 0); }}
{bpf_objects.GPL}"""


def test_a_callback_is_pulled_in_with_what_it_calls_and_its_address_is_relative() -> None:
    made = bpf_objects.compile_bpf(CALLBACKS)
    found = elf.read(made)
    btf = Btf.parse(found.by_name[".BTF"].data)
    program = objects.audited(made).programs[0]
    functions = {at: btf.type(type_id).name for at, type_id in records(program.func_info, 2)}
    assert list(functions.values()) == ["prog", "step", "helper", "visible"]
    insns = objects.instructions(program.insns)
    taken = [at for at, insn in enumerate(insns) if (insn[0], insn[2]) == (0x18, 4)]  # BPF_PSEUDO_FUNC
    assert [functions[at + 1 + insns[at][4]] for at in taken] == ["step", "visible", "step"]
    assert [insns[at + 1] for at in taken] == [(0, 0, 0, 0, 0)] * 3
    assert program.fixups == ()


def linked_without(section: str) -> Linked:
    """The first program of CALLBACKS, as if .BTF.ext knew nothing of a section."""
    found = elf.read(bpf_objects.compile_bpf(CALLBACKS))
    ext = btf_ext.read(found)
    known = [{name: each for name, each in kind.items() if name != section} for kind in (ext.func, ext.line)]
    place = maps.read(found, Btf.parse(found.by_name[".BTF"].data)).place
    functions = Functions(found, Ext(*known), place, lambda section, offset: f"{section.name}+{offset}")
    return link(functions, found.functions(found.by_name["tc"])[0])


def test_without_information_at_the_entry_there_is_none_at_all() -> None:
    linked = linked_without("tc")
    assert (linked.func_info, linked.line_info, len(linked.functions)) == (b"", b"", 4)


def test_a_callee_without_information_is_named_when_its_caller_has_some() -> None:
    with pytest.raises(AuditError, match=r"step\(\) has no function information, but what calls it has"):
        linked_without(".text")


def test_a_relocation_of_another_type_is_named_with_its_line(tmp_path: Path) -> None:
    made = objects.compiled("int g;\nint prog(void *ctx)\n{\n\treturn g;\n}\n", tmp_path)
    data = bytearray(made.read_bytes())
    at = data.index(elf.read(made).by_name[".rel.text"].data)
    struct.pack_into("<I", data, at + 8, 2)  # R_BPF_64_ABS64
    made.write_bytes(data)
    with pytest.raises(AuditError, match=r"has a relocation \(type 2\) that means nothing") as caught:
        objects.audited(made)
    assert caught.value.where == "prog.c:4:9"
