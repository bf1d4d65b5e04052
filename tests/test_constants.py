# SPDX-License-Identifier: Apache-2.0
"""Global variables set before loading: every type that a source can give one, and what does not fit."""

from __future__ import annotations

import struct

import pytest

from bpf_objects import HEADERS, compile_bpf
from bpfline import elf, maps
from bpfline.constants import Given, Value
from bpfline.errors import SettingsError
from bpfline.maps import Maps
from bpfline_loader.btf import Btf
from bpfline_loader.errors import USAGE

SOURCE = (
    HEADERS
    + """
#include <stdbool.h>
enum mode { MODE_OFF, MODE_FAST = 7, MODE_LAST = 0xffffffff };
enum sign { SIGN_MINUS = -3, SIGN_PLUS = 3 };
enum huge { HUGE = 0x100000000 };
struct inner { short s[2]; };
struct limits { int low; unsigned char high[3]; struct inner in; int bits : 4; };
struct mixed { int tag; union { int i; struct { short a; short b; }; struct { int : 3; int few : 5; }; }; };
const volatile struct mixed mixed[2];
const volatile bool flag = true;
const volatile char c;
const volatile signed char s8;
const volatile unsigned char u8;
const volatile short s16;
const volatile unsigned short u16;
const volatile int s32;
const volatile unsigned int u32;
const volatile long long s64;
const volatile unsigned long long u64;
const volatile __int128 s128;
const volatile enum mode mode;
const volatile enum sign sign;
const volatile enum huge huge;
const volatile char text[6];
const volatile struct limits limits[2];
const volatile int table[2][3];
const volatile void *pointer;
volatile int written = 1;
volatile int cleared;
static volatile int hidden = 2;
double ratio = 0;
float part = 0;
extern int CONFIG_HZ __kconfig;
SEC("socket") int f(void *ctx) { return hidden + written + cleared + CONFIG_HZ; }
"""
)


@pytest.fixture(scope="module")
def rich() -> tuple[Btf, Maps, dict[str, tuple[str, int]]]:
    """BTF, maps, and the section and offset of each variable by the symbol table."""
    object_file = elf.read(compile_bpf(SOURCE))
    btf = Btf.parse(object_file.by_name[".BTF"].data)
    places = {
        symbol.name: (object_file.sections[symbol.section].name, symbol.value)
        for symbol in object_file.symbols
        if symbol.type == "STT_OBJECT" and symbol.section is not None
    }
    return btf, maps.read(object_file, btf), places


Rich = tuple[Btf, Maps, dict[str, tuple[str, int]]]


@pytest.mark.parametrize(
    ("name", "value", "within", "expected"),
    [
        ("flag", "false", 0, b"\0"),
        ("flag", True, 0, b"\1"),
        ("flag", "1", 0, b"\1"),
        ("c", "x", 0, b"x"),
        ("c", "'\\n'", 0, b"\n"),
        ("c", "'''", 0, b"'"),
        ("c", "65", 0, b"A"),
        ("c", "7", 0, b"\7"),
        ("s8", "-128", 0, b"\x80"),
        ("u8", 255, 0, b"\xff"),
        ("s16", "-0x8000", 0, struct.pack("h", -0x8000)),
        ("u16", "0xffff", 0, b"\xff\xff"),
        ("s32", "-2147483648", 0, struct.pack("i", -(1 << 31))),
        ("u32", "0b101", 0, struct.pack("I", 5)),
        ("u32", "010", 0, struct.pack("I", 8)),
        ("s64", -1, 0, b"\xff" * 8),
        ("u64", (1 << 64) - 1, 0, b"\xff" * 8),
        ("s128", str(1 << 100), 0, (1 << 100).to_bytes(16, "little")),
        ("mode", "MODE_FAST", 0, struct.pack("I", 7)),
        ("mode", "MODE_LAST", 0, b"\xff" * 4),
        ("mode", 3, 0, struct.pack("I", 3)),
        ("sign", "SIGN_MINUS", 0, struct.pack("i", -3)),
        ("huge", 1 << 32, 0, struct.pack("Q", 1 << 32)),
        ("text", "abcde", 0, b"abcde\0"),
        ("text", "", 0, bytes(6)),
        ("text[1]", "z", 1, b"z"),
        ("limits[1].low", 9, 16, struct.pack("i", 9)),
        ("limits[0].high[0x2]", 9, 6, b"\t"),
        ("limits[1].in.s[1]", -2, 26, struct.pack("h", -2)),
        ("mixed[1].i", 9, 12, struct.pack("i", 9)),
        ("mixed[0].b", -2, 6, struct.pack("h", -2)),
        ("sign", -3, 0, struct.pack("i", -3)),
        ("table[1][2]", 5, 20, struct.pack("i", 5)),
        ("written", 4, 0, struct.pack("i", 4)),
        ("cleared", 4, 0, struct.pack("i", 4)),
        ("hidden", 4, 0, struct.pack("i", 4)),
        ("ratio", "0.5", 0, struct.pack("d", 0.5)),
        ("part", 0.25, 0, struct.pack("f", 0.25)),
    ],
)  # fmt: skip
def test_a_value_is_written_in_its_variables_type_and_nothing_else_changes(
    rich: Rich, name: str, value: Value, within: int, expected: bytes
) -> None:
    btf, before, places = rich
    section, offset = places[name.split("[")[0].split(".")[0]]
    after = maps.with_constants(before, btf, {name: Given(value)})
    for old, new in zip(before.maps, after.maps, strict=True):
        if new.name != section:
            assert new == old
            continue
        assert old.data is not None
        changed = bytearray(old.data)
        changed[offset + within : offset + within + len(expected)] = expected
        assert new.data == bytes(changed)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("flag", "2", "flag is _Bool, which '2' is not"),
        ("flag", 2, "flag is _Bool, which 2 is not\n  help: it holds true or false"),
        ("c", "ab", "c is char, which 'ab' is not\n  help: it holds 'a' or -128 to 127"),
        ("s8", "128", "s8: 128 does not fit into signed char\n  help: it holds -128 to 127"),
        ("u8", -1, "u8: -1 does not fit into unsigned char\n  help: it holds 0 to 255"),
        ("u16", "65536", "u16: 65536 does not fit into unsigned short"),
        ("s32", "x", "s32 is int, which 'x' is not"),
        ("s32", 1.0, "s32 is int, which 1.0 is not"),
        ("s32", "09", "s32 is int, which '09' is not"),
        ("s32", "9" * 5000, "s32 is int, which"),
        ("s64", 1 << 63, "does not fit into long long"),
        ("mode", "MODE_FSAT", "mode: enum mode has no 'MODE_FSAT'\n  help: near it: MODE_FAST"),
        ("sign", "ZERO", "has no 'ZERO'\n  help: it has SIGN_MINUS, SIGN_PLUS, or write a number"),
        ("mode", 1 << 32, "mode: 4294967296 does not fit into enum mode"),
        ("sign", 1 << 32, "4294967296 does not fit into enum sign\n  help: it holds -2147483648 to "),
        ("sign", -(1 << 31) - 1, "-2147483649 does not fit into enum sign\n  help: it holds -2147483648 to "),
        ("mixed[0].few", 1, "mixed[0].few is a bit-field"),
        ("mixed[0].c", 1, "mixed[0].c: struct mixed has no member c"),
        ("text", "abcdef", "text: const volatile char[6] has no room for 6 bytes and a NUL"),
        ("text", 5, "text is const volatile char[6], which 5 is not\n  help: it holds text of at most 5"),
        ("text[6]", "a", "text[6]: const volatile char[6] has no element 6"),
        ("table", "1", "table is const volatile int[2][3], which cannot be set as a whole"),
        ("table[1]", "1", "table[1] is const volatile int[3], which cannot be set as a whole"),
        ("limits[0]", "1", "help: set its members: limits[0].member"),
        ("limits[0].lwo", "1", "limits[0].lwo: struct limits has no member lwo\n  help: near it: low"),
        ("limits[0].bits", "1", "limits[0].bits is a bit-field"),
        ("s32.x", 1, "s32.x: int has no member x"),
        ("s32[0]", 1, "s32[0]: int is no array"),
        ("pointer", 1, "pointer is const volatile void *, which cannot be set"),
        ("ratio", "much", "ratio is double, which 'much' is not\n  help: it holds a number, such as 0.5"),
        ("writen", 1, "there is no global variable writen\n  help: near it: written"),
        ("xyzzy", 1, "there is no global variable xyzzy\n  help: declare it as: const volatile int xyzzy"),
        ("CONFIG_HZ", 1, "there is no global variable CONFIG_HZ"),
        ("", 1, "'' is no variable"),
        (".x", 1, "'.x' is no variable"),
        ("[0]", 1, "'[0]' is no variable"),
        ("text[-1]", 1, "'text[-1]' is no variable"),
        ("text[" + "9" * 5000 + "]", 1, "is no variable"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_one_line_that_says_why(
    rich: Rich, name: str, value: Value, said: str
) -> None:
    btf, before, _ = rich
    with pytest.raises(SettingsError) as caught:
        maps.with_constants(before, btf, {name: Given(value)})
    assert said in str(caught.value)
    assert caught.value.status == USAGE


def test_several_values_are_set_at_once(rich: Rich) -> None:
    btf, before, places = rich
    after = maps.with_constants(before, btf, {"s32": Given(5), "u32": Given(6), "written": Given(7)})
    data = {each.name: each.data or b"" for each in after.maps}
    assert struct.unpack_from("i", data[".rodata"], places["s32"][1]) == (5,)
    assert struct.unpack_from("I", data[".rodata"], places["u32"][1]) == (6,)
    assert struct.unpack_from("i", data[".data"], places["written"][1]) == (7,)


def test_without_btf_no_variable_is_known() -> None:
    found = maps.read(elf.read(compile_bpf("int counter = 3;", "-g0")), None)
    with pytest.raises(SettingsError, match="no global variable counter"):
        maps.with_constants(found, None, {"counter": Given(1)})
