# SPDX-License-Identifier: Apache-2.0
"""The spec: what an object file and its settings say of a bundle, the same for every kernel."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import objects
from bpf_objects import GPL, HEADERS, compile_bpf
from bpfline import elf
from bpfline.errors import Problem
from bpfline.settings import ObjectSettings
from bpfline.spec import Spec, spec
from bpfline_loader.bundle import Fixup, Program


def named(text: str, **given: str) -> dict[str, Program]:
    return {
        program.name: program
        for program in objects.audited(compile_bpf(HEADERS + text + GPL), **given).programs
    }


def test_programs_come_by_section_and_place_whatever_the_order_of_their_symbols() -> None:
    text = """
SEC("xdp") int zebra(struct xdp_md *ctx) { return 1; }
SEC("tc") int middle(struct __sk_buff *ctx) { return 2; }
SEC("xdp") int ant(struct xdp_md *ctx) { return 3; }
SEC("?kprobe/do_nothing") int last(void *ctx) { return 4; }
"""
    programs = named(text)
    assert [(p.name, p.section, p.type, p.attach, p.autoload) for p in programs.values()] == [
        ("zebra", "xdp", "xdp", None, True),
        ("ant", "xdp", "xdp", None, True),
        ("middle", "tc", "sched_cls", None, True),
        ("last", "kprobe/do_nothing", "kprobe", "do_nothing", False),
    ]
    returns = [objects.instructions(p.insns)[0] for p in programs.values()]
    assert returns == [(0xB4, 0, 0, 0, value) for value in (1, 3, 2, 4)]  # w0 = value


def test_what_a_section_says_of_its_program_is_in_the_bundle() -> None:
    programs = named("""
SEC("fentry.s/do_nothing") int traced(void *ctx) { return 0; }
SEC("tp_btf/sched_switch") int raw(void *ctx) { return 0; }
SEC("xdp.frags") int frags(struct xdp_md *ctx) { return 1; }
SEC("cgroup/dev") int device(void *ctx) { return 1; }
""")
    found = {
        p.name: (p.type, p.expected_attach_type, p.attach_btf, p.flags, p.drop_attach_type)
        for p in programs.values()
    }
    assert found == {
        "traced": ("tracing", "trace_fentry", "do_nothing", 1 << 4, False),
        "raw": ("tracing", "trace_raw_tp", "btf_trace_sched_switch", 0, False),
        "frags": ("xdp", "xdp", None, 1 << 5, False),
        "device": ("cgroup_device", "cgroup_device", None, 0, True),
    }


def test_an_unknown_section_is_a_failure_of_its_programs_and_of_no_others() -> None:
    text = """
SEC("tc") int good(struct __sk_buff *ctx) { return 0; }
SEC("xpd") int bad(struct xdp_md *ctx) { return 1; }
SEC("xpd") int worse(struct xdp_md *ctx) { return 1; }
"""
    found = objects.spec_of(compile_bpf(HEADERS + text + GPL))
    assert [program.name for program in found.bundle.programs] == ["good"]
    assert [(failure.program, failure.section) for failure in found.failures] == [
        ("bad", "xpd"),
        ("worse", "xpd"),
    ]
    problem = found.failures[0].problem
    assert (problem.what, problem.help) == ('program bad: SEC("xpd") is not known', "did you mean xdp?")
    assert str(problem.where).endswith("/prog.bpf.c:5:42")
    by_type = objects.spec_of(compile_bpf(HEADERS + text + GPL), type="xdp")
    assert ([p.type for p in by_type.bundle.programs], by_type.failures) == (["sched_cls", "xdp", "xdp"], ())


def test_text_beside_programs_holds_no_program_and_alone_it_is_one() -> None:
    text = "__noinline int helper(int x) { return x + 1; }\n"
    assert list(named(text + 'SEC("tc") int prog(struct __sk_buff *ctx) { return helper(ctx->len); }\n')) == [
        "prog"
    ]
    (alone,) = named(text, type="raw_tracepoint", attach="sys_enter").values()
    assert (alone.name, alone.type, alone.attach) == ("helper", "raw_tracepoint", "sys_enter")


def test_what_a_program_replaces_is_named_by_the_settings() -> None:
    text = 'SEC("freplace/old") int newer(struct __sk_buff *ctx) { return 0; }\n'
    (program,) = named(text, target="/sys/fs/bpf/some").values()
    assert (program.type, program.attach_btf, program.target) == ("ext", "old", "/sys/fs/bpf/some")


def test_a_target_that_the_section_leaves_open_is_that_of_the_settings() -> None:
    (program,) = named('SEC("lsm") int checks(void *ctx) { return 0; }\n', attach="file_open").values()
    assert (program.attach, program.attach_btf) == ("file_open", "bpf_lsm_file_open")


DATA = """
struct map { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 2); __type(key, int); __type(value, int); };
struct map table SEC(".maps"), other SEC(".maps");
const volatile int limit = 5;
int counter;
static volatile int hidden[4], deeper[4];
extern int LINUX_KERNEL_VERSION __kconfig;
extern const int bpf_prog_active __ksym;
extern const void jiffies __ksym;
extern void bpf_rcu_read_lock(void) __ksym __weak;
static __noinline void *look(int key) { return bpf_map_lookup_elem(&other, &key); }
SEC("tc") int prog(struct __sk_buff *ctx)
{
	int key = 0;

	if (!bpf_map_lookup_elem(&table, &key) || LINUX_KERNEL_VERSION < limit)
		return 1;
	if (bpf_rcu_read_lock)
		bpf_rcu_read_lock();
	hidden[2] = deeper[1] = (long)&bpf_prog_active + (long)&jiffies;
	return look(counter++) == 0;
}
"""


def test_every_relocation_is_a_fixup_at_its_place_with_src_reg_and_offset_set() -> None:
    (program,) = named(DATA).values()
    insns = objects.instructions(program.insns)
    #  kind and target of the fixup -> code, src_reg, the second half's imm
    expected = {
        ("map", "table"): (0x18, 1, 0),
        ("map", "other"): (0x18, 1, 0),
        ("map_value", ".kconfig"): (0x18, 2, 0),
        ("map_value", ".rodata"): (0x18, 2, 0),
        ("map_value", ".bss"): (0x18, 2, None),
        ("ksym", "bpf_prog_active"): (0x18, 3, 0),
        ("address", "jiffies"): (0x18, 0, 0),
        ("ksym", "bpf_rcu_read_lock"): (0x18, 3, 0),
        ("kfunc", "bpf_rcu_read_lock"): (0x85, 2, None),
    }
    assert {(fixup.kind, fixup.target) for fixup in program.fixups} == set(expected)
    for fixup in program.fixups:
        code, src_reg, second = expected[fixup.kind, fixup.target]
        assert (insns[fixup.insn][0], insns[fixup.insn][2], insns[fixup.insn][4]) == (code, src_reg, 0)
        assert second is None or insns[fixup.insn + 1] == (0, 0, 0, 0, second)
    offsets = {insns[f.insn + 1][4] for f in program.fixups if f.target == ".bss"}
    places = {symbol.name: symbol.value for symbol in elf.read(compile_bpf(HEADERS + DATA + GPL)).symbols}
    # Those of static variables count from the section, and stand in the instruction.
    assert offsets == {places[name] for name in ("counter", "hidden", "deeper")}
    relocated = {fixup.insn for fixup in program.fixups}
    rest = [insn for at, insn in enumerate(insns) if insn[0] == 0x18 and at not in relocated]
    assert rest == []


def test_a_callee_takes_its_fixups_along() -> None:
    (program,) = named(DATA).values()
    (other,) = [fixup for fixup in program.fixups if fixup.target == "other"]
    (start,) = [at for at, _ in struct.iter_unpack("<II", program.func_info) if at]
    assert other.insn > start
    assert Fixup(other.insn, "map", "other") == program.fixups[-1]


def test_an_object_gives_the_same_bundle_twice() -> None:
    made = compile_bpf(HEADERS + DATA + GPL)
    assert objects.spec_of(made) == objects.spec_of(made)


def test_the_other_byte_order_gives_the_same_bundle_in_its_own(tmp_path: Path) -> None:
    text = f"""{objects.LICENSE}
#define SEC(name) __attribute__((section(name), used))
int counter;
static __attribute__((noinline)) int leaf(int x) {{ asm volatile("" : "+r"(x)); return x * 3; }}
SEC("xdp") int first(void *ctx) {{ return 1; }}
SEC("xdp") int prog(void *ctx) {{ return leaf(7) + counter++; }}
"""
    little, big = (
        objects.audited(objects.compiled(text, tmp_path, target=target, name=target))
        for target in ("bpfel", "bpfeb")
    )
    assert (little.byteorder, big.byteorder) == ("little", "big")
    for one, other in zip(little.programs, big.programs, strict=True):
        assert objects.instructions(one.insns, "<") == objects.instructions(other.insns, ">")
        assert one.fixups == other.fixups
        for mine, its in ((one.func_info, other.func_info), (one.line_info, other.line_info)):
            words = len(mine) // 4
            assert words and struct.unpack(f"<{words}I", mine) == struct.unpack(f">{words}I", its)


def test_constants_are_set_where_there_are_such_and_what_is_wrong_is_said_with_who_said_it() -> None:
    made = elf.read(compile_bpf(HEADERS + DATA + GPL))

    def rodata(
        shared: dict[str, int], own: dict[str, int], constants: dict[str, int] | None = None
    ) -> bytes | None:
        found = spec(
            made,
            name="x",
            source="x.c",
            settings=ObjectSettings(set=own),
            clang=None,
            mcpu=None,
            shared=shared,
            constants=constants,
        )
        return next(each.data for each in found.bundle.maps if each.name == ".rodata")

    assert rodata({}, {}) == struct.pack("<i", 5)
    assert rodata({"limit": 7, "elsewhere[3].deep": 1}, {}) == struct.pack("<i", 7)
    assert rodata({"limit": 7}, {"limit": 9}) == struct.pack("<i", 9)
    assert rodata({"limit": 7}, {"limit": 9}, {"limit": 8, "elsewhere": 1}) == struct.pack("<i", 8)
    with pytest.raises(Problem, match="there is no global variable elsewhere"):
        rodata({}, {"elsewhere": 1})
    for where, sets in (
        ("pyproject.toml: tool.bpfline.set.limit for x", ({"limit": "z"}, {}, {})),
        ("pyproject.toml: tool.bpfline.object.x.set.limit", ({"limit": 1}, {"limit": "z"}, {})),
        ("--set limit=z for x", ({"limit": 1}, {"limit": 2}, {"limit": "z"})),
    ):
        with pytest.raises(Problem) as caught:
            rodata(*sets)  # type: ignore[arg-type]
        assert str(caught.value) == (
            f"{where}: error: limit is int, which 'z' is not\n  help: it holds -2147483648 to 2147483647"
        )


def test_a_callback_for_exceptions_is_appended_though_nothing_calls_it() -> None:
    text = """
__noinline int handle(__u64 cookie) { return 0; }
__noinline int unused(__u64 cookie) { return 1; }
#define CALLBACK(name) __attribute__((btf_decl_tag("exception_callback:" #name)))
SEC("tc") CALLBACK(handle) int prog(struct __sk_buff *ctx) { return 7; }
SEC("tc") int plain(struct __sk_buff *ctx) { return 7; }
"""
    programs = named(text)
    assert (len(programs["prog"].insns), len(programs["plain"].insns)) == (4 * 8, 2 * 8)
    assert objects.instructions(programs["prog"].insns)[2] == (0xB4, 0, 0, 0, 0)  # w0 = 0


def test_damaged_btf_is_said_with_the_object() -> None:
    made = compile_bpf(HEADERS + DATA + GPL)
    data, section = bytearray(made.read_bytes()), elf.read(made).by_name[".BTF"]
    struct.pack_into("<H", data, data.index(section.data), 0)
    with pytest.raises(Problem, match="is not BTF") as caught:
        specified(bytes(data))
    assert caught.value.where == "x.o"


def specified(data: bytes) -> Spec:
    found = elf.parse_fast(data, Path("x.o"))
    return spec(found, name="x", source="x.c", settings=ObjectSettings(), clang=None, mcpu=None)


@settings(max_examples=200, deadline=None)
@given(
    edits=st.lists(
        st.tuples(
            st.sampled_from(
                ("shdr", ".symtab", ".reltc", ".rel.text", ".BTF", ".BTF.ext", "tc", ".maps", "")
            ),
            st.integers(0, 1 << 20),
            st.integers(0, 255),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_bytes_changed_anywhere_end_in_a_spec_or_in_one_clear_problem(
    edits: list[tuple[str, int, int]],
) -> None:
    made = compile_bpf(HEADERS + DATA + GPL)
    found, data = elf.read(made), bytearray(made.read_bytes())
    headers = int(struct.unpack_from("<Q", data, 40)[0])
    for where, place, value in edits:
        section = found.by_name.get(where)
        if where == "shdr":
            start, size = headers, len(data) - headers
        elif section is None or not where:
            start, size = 0, len(data)
        else:
            start = int(struct.unpack_from("<Q", data, headers + 64 * section.index + 24)[0]) % len(data)
            size = section.size
        data[(start + place % size) % len(data)] = value
    began = time.monotonic()
    try:
        for failure in specified(bytes(data)).failures:
            assert len(str(failure.problem).splitlines()) <= 2
    except Problem as problem:
        assert len(str(problem).splitlines()) <= 2
        assert problem.where is not None
    assert time.monotonic() - began < 1


def test_the_type_of_a_project_says_nothing_of_what_freplace_extends() -> None:
    made = compile_bpf(HEADERS + GPL + 'SEC("freplace") int f(struct xdp_md *ctx) { return 2; }\n')
    (failure,) = objects.spec_of(made, type="xdp").failures
    assert "does not say what it is attached to" in failure.problem.what
