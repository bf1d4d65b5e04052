# SPDX-License-Identifier: Apache-2.0
"""Maps, data sections, externs and struct_ops of real objects, next to what libbpf makes of them."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpf_objects import GPL, HEADERS, compile_bpf
from bpfline import elf, maps
from bpfline.constants import Given
from bpfline.data_maps import BPF_F_MMAPABLE, BPF_F_RDONLY_PROG, kernel_name
from bpfline.maps import Maps
from bpfline_loader.btf import Btf
from bpfline_loader.bundle import Extern, Map, Slot
from bpfline_loader.errors import Problem
from libbpf_log import differences, opened, places_ours, places_said

# Every field of a definition, every kind of data section and extern, a struct_ops.
RICH = (
    HEADERS
    + GPL
    + """
#include <stdbool.h>

struct value { long a; int b; };
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_NUMA_NODE);
	__uint(numa_node, 0);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__uint(key_size, 4);
	__type(key, int);
	__type(value, struct value);
} table SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
	__uint(max_entries, 100);
	__uint(map_extra, 3);
	__type(value, int);
} bloom SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 5000); } ring SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__type(key, int);
	__type(value, int);
} events SEC(".maps");
struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, long);
} first SEC(".maps"), second SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 8);
	__type(key, int);
	__array(values, struct inner);
} outer SEC(".maps") = { .values = { [1] = &second, [5] = &first } };
SEC("socket") int callee(struct __sk_buff *skb) { return 0; }
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 4);
	__uint(key_size, 4);
	__array(values, int (void *));
} jumps SEC(".maps") = { .values = { [3] = (void *)&callee } };

enum mode { MODE_OFF, MODE_FAST = 7 };
struct limits { int low; unsigned char high[3]; int bits : 4; };
const volatile bool enabled;
const volatile char letter;
const volatile signed char small;
const volatile unsigned short port;
const volatile long long wide = -1;
const volatile unsigned long long mask;
const volatile enum mode mode;
const volatile char title[8];
const volatile struct limits limits[2];
static volatile int hidden = 5;
int shown SEC(".data.shown") = 6;
double ratio SEC(".data.shown") = 0.5;
const volatile int constant SEC(".rodata.mine") = 7;
static volatile int zero[3];

extern int LINUX_KERNEL_VERSION __kconfig;
extern bool CONFIG_BPF __kconfig __weak;
extern unsigned long CONFIG_HZ __kconfig;
extern char CONFIG_LOCALVERSION[12] __kconfig;
extern enum libbpf_tristate CONFIG_IPV6 __kconfig;
extern const int bpf_prog_active __ksym;
extern const void bpf_map_fops __ksym __weak;
extern struct task_struct *bpf_task_acquire(struct task_struct *task) __ksym __weak;

SEC("socket")
int reads(struct __sk_buff *skb)
{
	int key = 0;
	void *inner = bpf_map_lookup_elem(&outer, &key);

	if (inner)
		bpf_map_lookup_elem(inner, &key);
	bpf_map_lookup_elem(&table, &key);
	bpf_tail_call(skb, &jumps, 3);
	return LINUX_KERNEL_VERSION + CONFIG_BPF + CONFIG_HZ + CONFIG_LOCALVERSION[0] + CONFIG_IPV6 +
		enabled + letter + small + port + wide + mask + mode + title[1] + limits[1].high[2] +
		hidden++ + shown++ + constant + zero[key]++ + (&bpf_map_fops ? 1 : 0) +
		bpf_prog_active;
}
SEC("tp_btf/task_newtask")
int calls(void *ctx)
{
	return bpf_task_acquire && bpf_task_acquire(ctx) ? 1 : 0;
}

struct my_ops___local { char name[8]; int (*init)(void *sk); void (*release)(void *sk); int limit; };
SEC("struct_ops/init") int ops_init(void *ctx) { return 0; }
SEC("struct_ops.s/release") int ops_release(void *ctx) { return 0; }
SEC(".struct_ops") struct my_ops___local plain = { .name = "plain", .init = (void *)ops_init, .limit = 3 };
"""
)
# libbpf 1.1 knows neither of these sections.
NEWER = (
    HEADERS
    + """
struct my_ops { int (*init)(void *sk); };
SEC("struct_ops/init") int ops_init(void *ctx) { return 0; }
SEC(".struct_ops.link") struct my_ops linked = { .init = (void *)ops_init };
SEC("?.struct_ops.link") struct my_ops optional = { .init = (void *)ops_init };
"""
)


def read(text: str, *flags: str, **options: str) -> tuple[elf.ObjectFile, Btf, Maps]:
    return read_object(compile_bpf(text, *flags, **options))


def read_object(path: Path) -> tuple[elf.ObjectFile, Btf, Maps]:
    object_file = elf.read(path)
    btf = Btf.parse(object_file.by_name[".BTF"].data)
    return object_file, btf, maps.read(object_file, btf)


def named(found: Maps, name: str) -> Map:
    return next(each for each in found.maps if each.name == name)


@pytest.fixture(scope="module")
def rich() -> tuple[elf.ObjectFile, Btf, Maps]:
    return read(RICH)


# Against libbpf


def test_libbpf_sees_the_same_maps_externs_and_places(rich: tuple[elf.ObjectFile, Btf, Maps]) -> None:
    object_file, _, found = rich
    assert differences(object_file.path, found) == [
        # bundle.StructOps wants the kernel's name.
        "plain: struct is my_ops___local for libbpf, my_ops here"
    ]
    assert places_ours(object_file, found) == places_said(object_file.path)


SOURCES = {path.name: path.read_text() for path in sorted(Path(__file__).with_name("bpf").glob("good/*.c"))}


@pytest.mark.parametrize("name", [name for name, text in SOURCES.items() if "vmlinux.h" not in text])
def test_libbpf_sees_the_same_in_every_good_source_that_needs_no_kernel_types(name: str) -> None:
    object_file, _, found = read(SOURCES[name], name=name.partition(".")[0])
    assert differences(object_file.path, found) == []
    assert places_ours(object_file, found) == places_said(object_file.path)


# .maps


def test_every_field_of_a_definition_is_taken(rich: tuple[elf.ObjectFile, Btf, Maps]) -> None:
    _, btf, found = rich
    table = named(found, "table")
    assert (table.type, table.key_size, table.value_size, table.max_entries) == ("hash", 4, 16, 16)
    assert (table.flags, table.numa_node, table.pinning) == (1 | 4, 0, True)
    assert btf.describe(table.key_type_id) == "int"
    assert btf.describe(table.value_type_id) == "struct value"
    assert (named(found, "bloom").extra, named(found, "bloom").numa_node) == (3, None)


def test_sizes_that_depend_on_the_machine_stay_as_written(rich: tuple[elf.ObjectFile, Btf, Maps]) -> None:
    assert named(rich[2], "ring").max_entries == 5000
    assert named(rich[2], "events").max_entries == 0


def test_a_type_that_takes_no_btf_gets_none(rich: tuple[elf.ObjectFile, Btf, Maps]) -> None:
    events = named(rich[2], "events")
    assert (events.key_size, events.value_size) == (4, 4)
    assert (events.key_type_id, events.value_type_id) == (0, 0)


def test_a_map_of_maps_has_its_template_and_its_initial_maps(rich: tuple[elf.ObjectFile, Btf, Maps]) -> None:
    outer = named(rich[2], "outer")
    assert outer.inner is not None
    assert (outer.inner.name, outer.inner.type, outer.inner.value_size) == ("outer.inner", "array", 8)
    assert (outer.value_size, outer.slots) == (4, (Slot(1, "second"), Slot(5, "first")))


def test_an_array_of_programs_has_its_initial_programs(rich: tuple[elf.ObjectFile, Btf, Maps]) -> None:
    jumps = named(rich[2], "jumps")
    assert (jumps.inner, jumps.value_size, jumps.slots) == (None, 4, (Slot(3, "callee"),))


def test_a_name_that_the_kernel_does_not_take_gets_another_for_it() -> None:
    _, _, found = read(
        HEADERS + 'struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); } größe SEC(".maps");'
    )
    assert [(each.name, each.kernel_name) for each in found.maps] == [("größe", "gr____e")]


SHORT = """\
#define ARRAY __uint(type, BPF_MAP_TYPE_ARRAY);
#define OF_MAPS __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
#define PROGRAMS __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
#define INNER struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); }
#define OPS SEC(".struct_ops") struct ops
"""


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("__uint(max_entries, 1);", "map m has no type"),
        ("__uint(type, 999);", "map m: type 999 is not known"),
        ("ARRAY int max_entries;", "map m: max_entries is int, not a number"),
        ("ARRAY int *max_entries;", "map m: max_entries is int *, not a number"),
        ("ARRAY int key;", "map m: key is int, not a type"),
        ("ARRAY __type(key, struct nowhere);", "map m: key is struct nowhere *, not a type with a size"),
        ("ARRAY __uint(key_size, 8); __type(key, int);", "map m: key_size is both 8 and 4"),
        ("ARRAY __type(value, long); __uint(value_size, 4);", "map m: value_size is both 8 and 4"),
        ("ARRAY __uint(max_entires, 1);", "map m has an unknown field 'max_entires'"),
        ("ARRAY __uint(pinning, 2);", "map m: pinning 2 is not known"),
        ("ARRAY enum { A, B } map_extra;", "map m: map_extra is enum "),
        ("ARRAY __array(values, int (void *));", "map m: values is for maps that hold maps or programs"),
        (
            "OF_MAPS __uint(value_size, 8); __array(values, INNER);",
            "map m: value_size is both 8 and 4",
        ),
        (
            "OF_MAPS __array(values, int (void *));",
            "map m: values is",
        ),
        ("PROGRAMS __array(values, INNER);", "map m: values is"),
        (
            "OF_MAPS int (*values[1])(void); INNER *last;",
            "map m: values is not the last field",
        ),
        (
            "OF_MAPS __array(values, struct { OF_MAPS __array(values, INNER); });",
            "map m.inner: values cannot be here",
        ),
        (
            "OF_MAPS __array(values, struct { ARRAY __uint(pinning, LIBBPF_PIN_BY_NAME); });",
            "map m.inner: pinning cannot be asked for",
        ),
    ],
)
def test_a_bad_field_is_refused_by_name_as_libbpf_refuses_it(fields: str, said: str) -> None:
    path = compile_bpf(HEADERS + SHORT + f'struct {{ {fields} }} m SEC(".maps");')
    with pytest.raises(Problem) as caught:
        read_object(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    if "type 999" not in said:  # which libbpf leaves to the kernel
        assert "failed to open" in opened(path)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ('static struct { ARRAY } m SEC(".maps"); void *use(void) { return &m; }', "map m is static"),
        ('int m SEC(".maps");', "not a struct of its fields"),
        ('struct { int type; } m SEC("maps");', 'defines maps in SEC("maps"), which libbpf 1.0 gave up'),
        (
            "struct { __uint(type, BPF_MAP_TYPE_HASH_OF_MAPS); __type(key, long); __array(values, INNER); }"
            'm SEC(".maps") = { .values = { (void *)&m } };',
            "map m has initial values and a key of 8 bytes",
        ),
        (
            "int other; struct { OF_MAPS __array(values, INNER); }"
            'm SEC(".maps") = { .values = { (void *)&other } };',
            "map m holds maps, and other is none",
        ),
        (
            "int sub(void *c) { return 0; } struct { PROGRAMS __array(values, int (void *)); }"
            'm SEC(".maps") = { .values = { &sub } };',
            "map m holds programs, and sub is none",
        ),
        ("extern int lost; int f(void) { return lost; }", "lost is declared and nowhere defined"),
        ("int lost(void); int f(void) { return lost(); }", "lost is declared and nowhere defined"),
        (
            "extern long CONFIG_X[2] __kconfig; int f(void) { return *CONFIG_X; }",
            "CONFIG_X is long[2], which",
        ),
        (
            "int f(void *c) { return 0; } struct ops { int (*f)(void *); }; OPS mine = { f };",
            "struct_ops mine: f is f, which is no struct_ops program",
        ),
        (
            "int x; struct ops { int *p; }; OPS mine = { &x };",
            "struct_ops mine: p points to something, and is no pointer to a function",
        ),
        ('int mine SEC(".struct_ops");', "struct_ops mine is int, not a struct with a name"),
    ],
)
def test_what_cannot_be_made_a_map_or_an_extern_is_refused_as_libbpf_refuses_it(
    source: str, said: str
) -> None:
    path = compile_bpf(HEADERS + SHORT + source, "-Wno-everything")
    with pytest.raises(Problem) as caught:
        read_object(path)
    assert said in str(caught.value)
    assert "failed to open" in opened(path)


def test_a_hidden_map_is_refused_as_newer_libbpf_refuses_it() -> None:
    path = compile_bpf(HEADERS + SHORT + 'struct { ARRAY } m SEC(".maps") __hidden;')
    with pytest.raises(Problem, match="map m is static or hidden"):
        read_object(path)


def test_maps_without_btf_are_refused_and_data_without_btf_is_taken() -> None:
    with pytest.raises(Problem, match="no BTF"):
        maps.read(elf.read(compile_bpf(HEADERS + 'struct { int *m; } m SEC(".maps");', "-g0")), None)
    found = maps.read(elf.read(compile_bpf("int counter = 3;", "-g0")), None)
    assert [(each.name, each.flags, each.value_type_id) for each in found.maps] == [(".data", 0, 0)]


# Data


def test_each_data_section_is_a_map_with_its_contents(rich: tuple[elf.ObjectFile, Btf, Maps]) -> None:
    _, btf, found = rich
    data = {each.name: each for each in found.maps if each.data is not None}
    assert set(data) == {".rodata", ".data", ".data.shown", ".rodata.mine", ".bss", ".kconfig"}
    for name, each in data.items():
        read_only = name.startswith((".rodata", ".kconfig"))
        assert (each.type, each.key_size, each.max_entries) == ("array", 4, 1)
        assert each.value_size == len(each.data or b"")
        assert bool(each.flags & BPF_F_RDONLY_PROG) == each.frozen == read_only
        assert btf.type(each.value_type_id).name == name
    assert (data[".data"].data, data[".data.shown"].data, data[".rodata.mine"].data) == (
        struct.pack("i", 5),
        struct.pack("i4xd", 6, 0.5),
        struct.pack("i", 7),
    )
    assert data[".bss"].data == bytes(12)


def test_only_data_that_other_sources_can_see_is_mapped(rich: tuple[elf.ObjectFile, Btf, Maps]) -> None:
    seen = {each.name for each in rich[2].maps if each.data is not None and each.flags & BPF_F_MMAPABLE}
    assert seen == {".rodata", ".data.shown", ".rodata.mine", ".kconfig"}
    _, _, found = read(HEADERS + "__hidden int counter = 1;")
    assert found.maps[0].flags == 0


def test_strings_are_a_map_even_without_btf() -> None:
    _, _, found = read(HEADERS + 'SEC("socket") int f(void *c) { return bpf_trace_printk("a%d", 4, 1); }')
    assert [(each.name, each.data, each.value_type_id) for each in found.maps] == [
        (".rodata.str1.1", b"a%d\0", 0)
    ]


@pytest.mark.parametrize(
    ("file", "section", "name"),
    [
        ("my_object_name.bpf.o", ".rodata", "my_objec.rodata"),
        ("my_object_name.o", ".bss", "my_objec.bss"),
        ("my_object_name.o", ".kconfig", "my_obje.kconfig"),
        ("x.o", ".rodata.abracadabra", ".rodata.abracad"),
        ("a-b.o", ".data", "a_b.data"),
    ],
)
def test_data_maps_go_by_libbpfs_names_in_the_kernel(file: str, section: str, name: str) -> None:
    assert kernel_name(file, section) == name


# Externs


def test_externs_are_told_apart_and_placed(rich: tuple[elf.ObjectFile, Btf, Maps]) -> None:
    _, btf, found = rich
    kconfig = [(e.name, e.offset, e.size, e.weak) for e in found.externs if e.kind == "kconfig"]
    assert kconfig == [
        ("CONFIG_HZ", 0, 8, False),
        ("CONFIG_IPV6", 8, 4, False),
        ("LINUX_KERNEL_VERSION", 12, 4, False),
        ("CONFIG_BPF", 16, 1, True),
        ("CONFIG_LOCALVERSION", 17, 12, False),
    ]
    others = {e.name: e for e in found.externs if e.kind != "kconfig"}
    assert {name: (e.kind, e.weak) for name, e in others.items()} == {
        "bpf_map_fops": ("address", True),
        "bpf_prog_active": ("ksym", False),
        "bpf_task_acquire": ("kfunc", True),
    }
    assert others["bpf_map_fops"].type_id == 0
    assert btf.describe(others["bpf_prog_active"].type_id) == "int"
    assert btf.type(others["bpf_task_acquire"].type_id).name == "bpf_task_acquire"


def test_a_relocation_becomes_the_fixup_that_it_means(rich: tuple[elf.ObjectFile, Btf, Maps]) -> None:
    object_file, _, found = rich
    symbols = {symbol.name: symbol for symbol in object_file.symbols}
    assert found.place(symbols["outer"], 0) == ("map", "outer", 0)
    assert found.place(symbols["LINUX_KERNEL_VERSION"], 0) == ("map_value", ".kconfig", 12)
    assert found.place(symbols["bpf_task_acquire"], -1) == ("kfunc", "bpf_task_acquire", 0)
    assert found.place(symbols["bpf_prog_active"], 0) == ("ksym", "bpf_prog_active", 0)
    assert found.place(symbols["bpf_map_fops"], 0) == ("address", "bpf_map_fops", 0)
    title = symbols["title"]
    assert found.place(title, 3) == ("map_value", ".rodata", title.value + 3)
    with pytest.raises(Problem, match="refers to LICENSE in license, which is no map"):
        found.place(symbols["LICENSE"], 0)


# struct_ops


def test_struct_ops_have_their_bytes_and_their_programs(rich: tuple[elf.ObjectFile, Btf, Maps]) -> None:
    plain = named(rich[2], "plain")
    assert plain.struct_ops is not None
    assert (plain.type, plain.flags, plain.autocreate, plain.value_size) == ("struct_ops", 0, True, 32)
    assert plain.struct_ops.type_name == "my_ops"
    assert plain.struct_ops.functions == (("init", "ops_init"),)
    assert plain.struct_ops.data[:8] == b"plain\0\0\0"
    assert struct.unpack_from("i", plain.struct_ops.data, 24) == (3,)
    assert not plain.struct_ops.link


def test_struct_ops_are_linked_or_left_out_as_their_section_says() -> None:
    _, _, found = read(NEWER)
    linked, optional = named(found, "linked"), named(found, "optional")
    assert linked.struct_ops is not None
    assert optional.struct_ops is not None
    assert (linked.flags, linked.struct_ops.link, linked.autocreate) == (1 << 13, True, True)
    assert (optional.flags, optional.struct_ops.link, optional.autocreate) == (1 << 13, True, False)
    assert optional.struct_ops.functions == (("init", "ops_init"),)


# Objects that are not as a compiler leaves them


def test_a_statically_linked_object_gives_the_same_maps() -> None:
    source = compile_bpf(RICH)
    linked = source.with_name("linked.o")
    subprocess.run(["bpftool", "gen", "object", linked, source], check=True)
    _, _, found = read_object(linked)
    before = {each.name: each for each in read_object(source)[2].maps}
    for each in found.maps:
        assert (each.type, each.data, each.flags, each.slots) == (
            before[each.name].type,
            before[each.name].data,
            before[each.name].flags,
            before[each.name].slots,
        )
    assert differences(linked, found) == ["plain: struct is my_ops___local for libbpf, my_ops here"]


GOOD = compile_bpf(RICH).read_bytes()


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_object_gives_maps_or_one_clear_problem(data: st.DataObject) -> None:
    damaged = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        length = data.draw(st.integers(1, 16))
        other = data.draw(st.integers(0, len(GOOD) - length))
        damaged[at : at + length] = data.draw(
            st.one_of(st.just(GOOD[other : other + length]), st.binary(min_size=length, max_size=length))
        )
    try:
        object_file = elf.parse_fast(bytes(damaged), Path("damaged.o"))
        section = object_file.by_name.get(".BTF")
        btf = Btf.parse(section.data) if section else None
        found = maps.read(object_file, btf)
    except Problem:
        return
    assert all(isinstance(extern, Extern) for extern in found.externs)
    for symbol in object_file.symbols:
        try:
            found.place(symbol, 0)
            maps.with_constants(found, btf, {symbol.name: Given(1)})
        except Problem:
            pass
