# SPDX-License-Identifier: Apache-2.0
"""Objects in the kernel: BTF, maps, externs, struct_ops and programs that extend programs."""

from __future__ import annotations

import dataclasses
import gzip
import io
import json
import os
import re
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import insns
import libbpf_side
from bpf_objects import GPL, HEADERS, compile_bpf
from bpfline import elf, parts, spec
from bpfline.settings import ObjectSettings
from bpfline_loader import (
    bpf,
    bpf_btf,
    bpf_map,
    externs,
    kconfig,
    kernel_btf,
    map_types,
    maps,
    privileges,
    run,
)
from bpfline_loader.bpffs import Pins
from bpfline_loader.btf import Btf
from bpfline_loader.btf_types import essential_name
from bpfline_loader.bundle import Bundle, Extern, Map, read
from bpfline_loader.errors import KernelError, Lacking
from bpfline_loader.fingerprint import Fingerprints
from bpfline_loader.object import Object, opened
from bpfline_loader.verify import verify

pytestmark = pytest.mark.kernel

TC = 'SEC("tc") int %s(struct __sk_buff *ctx) { return 0; }\n'


def bundle_of(text: str, **settings: str) -> Bundle:
    """The bundle of a source that goes behind the headers, with a license."""
    made = spec.spec(
        elf.read(compile_bpf(HEADERS + text + GPL)),
        name="prog",
        source="prog.bpf.c",
        settings=ObjectSettings(**settings),
        clang=None,
        mcpu=None,
    )
    assert made.failures == ()
    return made.bundle


def load_all(object_: Object, bundle: Bundle) -> Iterator[tuple[str, int]]:
    for program in bundle.programs:
        attempt = object_.load(program, mode="none")
        assert attempt.fd is not None, attempt.message
        yield program.name, attempt.fd


def close_all(fds: dict[str, int]) -> None:
    for fd in fds.values():
        os.close(fd)


# --- Maps -------------------------------------------------------------------------------------------

HASH = 'struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 4); %s } table SEC(".maps");\n'
INTS = "__type(key, int); __type(value, int);"


def test_a_map_that_the_kernel_refuses_is_named_and_stops_the_object_as_with_libbpf() -> None:
    bundle = bundle_of(HASH % "__uint(key_size, 0); __uint(value_size, 4);" + TC % "prog")
    [row] = verify(bundle)
    assert (row.verdict, row.errno) == ("error", "EINVAL")
    assert row.message.startswith("map table (hash) cannot be created: EINVAL; ")
    assert "key_size 0" in row.message


def test_a_map_of_a_type_that_the_kernel_lacks_is_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(map_types.MAP_TYPES, "of_tomorrow", 4000)
    bundle = bundle_of(HASH % INTS + TC % "prog")
    bundle = dataclasses.replace(bundle, maps=(dataclasses.replace(bundle.maps[0], type="of_tomorrow"),))
    [row] = verify(bundle)
    assert (row.verdict, row.errno) == ("unsupported", "EINVAL")
    assert row.message == "map table: this kernel has no maps of type of_tomorrow"


def test_every_type_of_map_that_this_kernel_has_is_not_called_missing() -> None:
    assert not any(map(maps.features.lacks_map_type, list(map_types.MAP_TYPES)[1:34]))


def test_a_map_without_a_size_is_verified_and_that_is_said_but_it_does_not_run() -> None:
    bundle = bundle_of((HASH % INTS).replace("__uint(max_entries, 4);", "") + TC % "prog")
    [row] = verify(bundle)
    assert (row.verdict, row.note) == (
        "accepted",
        "max_entries of table is 0 until a process sets it: verified with 1",
    )
    with pytest.raises(KernelError, match="map table"), opened(bundle):
        pass


@pytest.mark.parametrize(
    ("kind", "asked", "made"),
    [("ringbuf", 1, 1), ("ringbuf", 3, 4), ("user_ringbuf", 4, 4), ("ringbuf", 0, 0), ("hash", 3, 3)],
)
def test_a_ring_buffer_gets_a_power_of_two_pages(kind: str, asked: int, made: int) -> None:
    page = resource.getpagesize() if kind.endswith("ringbuf") else 1
    assert maps.max_entries(Map("x", kind, 0, 0, asked * page)) == made * page
    if kind.endswith("ringbuf") and asked:
        assert maps.max_entries(Map("x", kind, 0, 0, asked * page - 1)) == made * page


def test_a_perf_event_array_without_a_size_has_one_entry_for_each_possible_processor() -> None:
    assert maps.max_entries(Map("x", "perf_event_array", 4, 4, 0)) == os.sysconf("SC_NPROCESSORS_CONF")


def shown(fd_id: int) -> dict[str, object]:
    answer = subprocess.run(
        ["bpftool", "-j", "map", "show", "id", str(fd_id)], capture_output=True, check=True
    )
    found: dict[str, object] = json.loads(answer.stdout)
    return found


def test_maps_are_in_the_kernel_with_their_names_types_and_contents_while_the_object_is_open() -> None:
    data = "const volatile int limit = 7;\nint seen = 3;\n"
    bundle = bundle_of(data + 'SEC("tc") int prog(void *ctx) { seen += limit; return 0; }\n')
    with opened(bundle) as object_:
        fds = dict(load_all(object_, bundle))
        answer = subprocess.run(
            ["bpftool", "-j", "prog", "show", "id", str(bpf.prog_info(fds["prog"]).id)],
            capture_output=True,
            check=True,
        )
        ids = json.loads(answer.stdout)["map_ids"]
        names = {found["name"]: found for found in map(shown, ids)}
        assert set(names) == {"prog.rodata", "prog.data"}
        assert names["prog.rodata"].get("frozen") == 1 and names["prog.data"].get("frozen") == 0
        dump = subprocess.run(
            ["bpftool", "-j", "map", "dump", "id", str(names["prog.rodata"]["id"])],
            capture_output=True,
            check=True,
        )
        assert '"limit":7' in dump.stdout.decode()
        close_all(fds)


def test_prog_arrays_are_filled_after_the_programs_are_loaded() -> None:
    text = (
        TC
        % "callee"
        + "struct { __uint(type, BPF_MAP_TYPE_PROG_ARRAY); __uint(max_entries, 3); __uint(key_size, 4);"
        ' __array(values, int (void *)); } jumps SEC(".maps") = { .values = { [2] = (void *)&callee } };\n'
        'SEC("tc") int caller(struct __sk_buff *ctx) { bpf_tail_call(ctx, &jumps, 2); return 1; }\n'
    )
    bundle = bundle_of(text)
    with opened(bundle) as object_:
        fds = dict(load_all(object_, bundle))
        object_.finish(fds)
        callee = bpf.prog_info(fds["callee"]).id
        dumps = subprocess.run(
            ["bpftool", "map", "dump", "name", "jumps"], capture_output=True, text=True, check=True
        )
        assert re.search(rf"key: 02 00 00 00\s+value: {callee.to_bytes(4, 'little').hex(' ')}", dumps.stdout)
        close_all(fds)


def test_a_prog_array_that_names_a_program_that_was_not_loaded_is_one_clear_error() -> None:
    bundle = bundle_of(
        (TC % "later").replace('"tc"', '"?tc"')
        + "struct { __uint(type, BPF_MAP_TYPE_PROG_ARRAY); __uint(max_entries, 3); __uint(key_size, 4);"
        ' __array(values, int (void *)); } jumps SEC(".maps") = { .values = { [2] = (void *)&later } };\n'
        'SEC("tc") int caller(struct __sk_buff *ctx) { bpf_tail_call(ctx, &jumps, 2); return 1; }\n'
    )
    err = io.StringIO()
    assert run.run([bundle], seconds=0, out=io.StringIO(), err=err) == 2
    assert "error: map jumps cannot hold later at 2: it is not loaded\n" in err.getvalue()
    assert 'help: SEC("?...") is loaded only when asked for' in err.getvalue()


STRUCT_OPS_TYPES = """
struct sock;
struct tcp_congestion_ops {
	void (*init)(struct sock *);
	__u32 (*ssthresh)(struct sock *);
	void (*cong_avoid)(struct sock *, __u32, __u32);
	__u32 (*undo_cwnd)(struct sock *);
	char name[16];
	int not_in_the_kernel;
};
"""


# --- BTF --------------------------------------------------------------------------------------------


def test_btf_that_the_kernel_refuses_is_named_by_its_type_and_the_program_is_tried_without() -> None:
    bundle = bundle_of("int counter = 1;\n" + 'SEC("tc") int prog(void *ctx) { return counter; }\n')
    btf = Btf.parse(bundle.btf)
    datasec = btf.find(".data", 15)
    assert datasec is not None
    words = bytearray(bundle.btf)
    at = 24 + 4 * (btf.type(datasec).start + 2)
    words[at : at + 4] = bytes(4)  # its size
    broken = dataclasses.replace(bundle, btf=bytes(words))
    [row] = verify(broken)
    assert row.verdict == "accepted"
    assert row.note.startswith("without func_info and line_info: the kernel refuses the BTF: ")
    assert f"[{datasec}] DATASEC .data" in row.note


def test_struct_ops_are_not_tried_without_btf_which_the_kernel_takes_minutes_to_refuse() -> None:
    source = Path(__file__).parents[1] / "bpf/good/struct_ops.bpf.c"
    text = source.read_text().replace('#include "vmlinux.h"', STRUCT_OPS_TYPES).partition("char LICENSE")[0]
    bundle = bundle_of(text)
    assert {row.verdict for row in verify(bundle)} == {"accepted"}
    broken = dataclasses.replace(bundle, btf=bundle.btf[:-1] + b"x")  # strings without an end
    before = time.monotonic()
    rows = verify(broken)
    assert time.monotonic() - before < 1
    assert {row.verdict for row in rows} == {"error"}
    assert "BTF" in rows[0].message


# --- Externs ----------------------------------------------------------------------------------------

KCONFIG = """
extern unsigned LINUX_KERNEL_VERSION __kconfig;
extern unsigned CONFIG_HZ __kconfig;
extern unsigned char CONFIG_TOO_SMALL __kconfig __weak;
extern _Bool CONFIG_BPF_SYSCALL __kconfig;
extern enum libbpf_tristate CONFIG_BPF __kconfig;
extern char CONFIG_BPF_JIT __kconfig;
extern char CONFIG_DEFAULT_HOSTNAME[4] __kconfig;
extern int CONFIG_MADE_UP __kconfig __weak;
SEC("tc") int prog(void *ctx)
{
	return LINUX_KERNEL_VERSION + CONFIG_HZ + CONFIG_TOO_SMALL + CONFIG_BPF_SYSCALL + CONFIG_BPF
		+ CONFIG_BPF_JIT + CONFIG_DEFAULT_HOSTNAME[1] + CONFIG_MADE_UP;
}
"""


def configured(name: str) -> str:
    """The running kernel's value, read in another way than the loader's."""
    whole = gzip.decompress(Path("/proc/config.gz").read_bytes()).decode()
    return next(line.partition("=")[2] for line in whole.splitlines() if line.startswith(f"{name}="))


def test_kconfig_externs_have_this_kernels_values() -> None:
    bundle = bundle_of(KCONFIG)
    [wanted] = [each for each in bundle.maps if each.section == ".kconfig"]
    places = {each.name: each for each in bundle.externs}
    data = kconfig.contents(bundle.externs, Btf.parse(bundle.btf), wanted.value_size)
    value = {name: data[each.offset : each.offset + each.size] for name, each in places.items()}
    debian = re.search(r"\bDebian (\S+)", os.uname().version)  # its release has no patch level
    words = debian[1] if debian else os.uname().release
    major, minor, patch = map(int, re.findall(r"\d+", words)[:3])
    assert int.from_bytes(value["LINUX_KERNEL_VERSION"], "little") == major << 16 | minor << 8 | min(
        patch, 255
    )
    assert int.from_bytes(value["CONFIG_HZ"], "little") == int(configured("CONFIG_HZ"))
    assert (value["CONFIG_BPF_SYSCALL"], value["CONFIG_BPF"]) == (b"\1", b"\1\0\0\0")
    assert value["CONFIG_BPF_JIT"] == b"y"
    assert value["CONFIG_DEFAULT_HOSTNAME"] == configured("CONFIG_DEFAULT_HOSTNAME")[1:4].encode() + b"\0"
    assert (value["CONFIG_MADE_UP"], value["CONFIG_TOO_SMALL"]) == (bytes(4), b"\0")


@pytest.mark.parametrize(
    ("declared", "error", "words"),
    [
        ("int CONFIG_MADE_UP", Lacking, "configured without CONFIG_MADE_UP"),
        ("int LINUX_MADE_UP", Lacking, "no kernel has a configuration value LINUX_MADE_UP"),
        ("int CONFIG_BPF", KernelError, "declare it as bool, enum libbpf_tristate or char"),
        ("_Bool CONFIG_HZ", KernelError, "declare it as integer"),
        ("int CONFIG_DEFAULT_HOSTNAME", KernelError, "declare it as char array"),
        ("char LINUX_KERNEL_VERSION", KernelError, "declare it as integer of more than 1 bytes"),
    ],
)
def test_a_kconfig_extern_that_cannot_have_its_value_is_one_clear_error(
    declared: str, error: type[KernelError], words: str
) -> None:
    name = declared.split()[-1]
    bundle = bundle_of(
        f"extern {declared} __kconfig;\n" + f'SEC("tc") int prog(void *ctx) {{ return {name}; }}\n'
    )
    with pytest.raises(KernelError) as raised, opened(bundle):
        pass
    assert type(raised.value) is error
    assert raised.value.where == name and words in str(raised.value)


@pytest.mark.parametrize(
    ("declared", "verdict", "words"),
    [
        ("extern int bpf_made_up(int) __ksym;", "unsupported", "no function bpf_made_up (in the BTF"),
        ("extern const int bpf_made_up __ksym;", "unsupported", "no variable bpf_made_up"),
        ("extern const void bpf_made_up __ksym;", "unsupported", "no symbol bpf_made_up (in /proc/kallsyms)"),
        ("extern int bpf_rcu_read_lock(int) __ksym;", "error", "bpf_rcu_read_lock has another type"),
    ],
)
def test_a_strong_extern_that_this_kernel_does_not_have_is_named(
    declared: str, verdict: str, words: str
) -> None:
    name = re.findall(r"bpf_\w+", declared)[0]
    use = f"{name}(1)" if "(int)" in declared else f"(long)&{name}"
    row = verify(bundle_of(f'{declared}\nSEC("tc") long prog(void *ctx) {{ return {use}; }}\n'))[0]
    assert (row.verdict, row.errno) == (verdict, "ESRCH" if verdict == "unsupported" else "EINVAL")
    assert words in row.message


def test_the_btf_that_a_kfunc_was_found_in_is_handed_over_at_its_place() -> None:
    """A kfunc of a module, as far as a kernel without modules (no CONFIG_MODULES) can show it: the one here
    is said to be in BTF of our own, and the kernel, which looks into fd_array for it, knows better."""
    other = 'SEC("tc") int other(void *ctx) { bpf_rcu_read_lock(); bpf_rcu_read_unlock(); return 0; }\n'
    bundle = bundle_of(
        f"extern void bpf_rcu_read_lock(void) __ksym, bpf_rcu_read_unlock(void) __ksym;\n{other}"
    )
    with opened(bundle) as object_, opened(bundle_of(TC % "prog")) as stranger:
        ours = bpf_btf.btf_info(stranger._btf_fd).id
        known = object_._externs["bpf_rcu_read_lock"]
        object_._externs["bpf_rcu_read_lock"] = dataclasses.replace(known, btf_id=ours)
        _, details = object_._prepared(bundle.programs[0])
        assert [bpf_btf.btf_info(fd).id for fd in details.fd_array[1:]] == [ours]
        attempt = object_.load(bundle.programs[0])
    assert (attempt.verdict, attempt.errno) == ("refused", "EINVAL")
    assert attempt.message.startswith("BTF fd for kfunc is not a module BTF")


def test_an_address_is_that_of_kallsyms() -> None:
    bundle = bundle_of(
        "extern const void bpf_prog_put __ksym;\n"
        'SEC("tc") long prog(void *ctx) { return (long)&bpf_prog_put; }\n'
    )
    lines = Path("/proc/kallsyms").read_text().splitlines()
    [address] = [int(line.split()[0], 16) for line in lines if line.split()[2] == "bpf_prog_put"]
    assert (
        externs.resolve_all(bundle.externs, lambda: Btf.parse(bundle.btf))["bpf_prog_put"].address == address
    )
    wanted = [Extern("bpf_prog_pu", "address", 0, True)]  # the beginning of a name is no name
    assert not externs.resolve_all(wanted, lambda: Btf.parse(bundle.btf))["bpf_prog_pu"].found


KFUNCS = """
extern void aaa_missing(void) __ksym __weak;
extern void zzz_missing(void) __ksym __weak;
SEC("raw_tp/sched_switch") int prog(void *ctx)
{
	if (bpf_get_smp_processor_id() == 1000000)
		return 0;
	zzz_missing();
	return 0;
}
"""


@pytest.mark.parametrize("mode", ["none", "short", "auto"])
def test_a_missing_weak_kfunc_that_is_called_is_named_with_its_line(mode: str) -> None:
    bundle = bundle_of(KFUNCS)
    with opened(bundle) as object_:
        attempt = object_.load(bundle.programs[0], mode=mode)
    assert (attempt.verdict, attempt.errno) == ("refused", "EINVAL")
    assert attempt.message.startswith("this kernel has no kernel function zzz_missing, which is weak")
    line = (HEADERS + KFUNCS).split("\n").index("\tzzz_missing();") + 1
    assert re.search(rf"prog\.bpf\.c:{line}:\d+$", attempt.message)


# --- CO-RE ------------------------------------------------------------------------------------------

CORE = """
#include <bpf/bpf_core_read.h>
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct task_struct { int pid; int no_such_field; };
struct made_up { int member; };
#pragma clang attribute pop
enum bpf_map_type { BPF_MAP_TYPE_OF_TOMORROW = 4000 } ;
SEC("raw_tp/sched_switch") int prog(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct made_up *other = (void *)task;
	%s
}
"""


@pytest.mark.parametrize("mode", ["none", "short", "auto"])
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            "return BPF_CORE_READ(task, no_such_field);",
            "this kernel's struct task_struct has no matching field no_such_field",
        ),
        ("return BPF_CORE_READ(other, member);", "this kernel has no struct made_up"),
        ("return bpf_core_type_size(struct made_up);", None),
    ],
)
def test_a_relocation_that_fails_is_said_in_words_with_its_line(
    body: str, words: str | None, mode: str
) -> None:
    bundle = bundle_of(CORE.replace("enum bpf_map_type { BPF_MAP_TYPE_OF_TOMORROW = 4000 } ;\n", "") % body)
    with opened(bundle) as object_:
        attempt = object_.load(bundle.programs[0], mode=mode)
    if words is None:  # a size is 0 where there is no such type
        assert attempt.fd is not None
        os.close(attempt.fd)
        return
    assert (attempt.verdict, attempt.errno) == ("refused", "EINVAL")
    assert attempt.message.startswith(words)
    assert re.search(r"prog\.bpf\.c:\d+:\d+\)$", attempt.message)
    assert "195896080" not in attempt.message


def test_a_module_that_comes_or_is_built_anew_asks_again_where_records_may_find_their_type_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = "return BPF_CORE_READ(task, pid);"
    text = CORE.replace("enum bpf_map_type { BPF_MAP_TYPE_OF_TOMORROW = 4000 } ;\n", "") % body
    with_records, plain = bundle_of(text), bundle_of(TC % "prog")
    assert with_records.programs[0].core_relos and not plain.programs[0].core_relos
    monkeypatch.setattr(kernel_btf, "BTF", tmp_path / "vmlinux")
    seen: dict[str, list[str | None]] = {"records": [], "plain": []}
    for size in (None, 10, 10, 12):
        if size is not None:
            (tmp_path / "module").write_bytes(bytes(size))
        seen["records"].append(Fingerprints(with_records).of(with_records.programs[0]))
        seen["plain"].append(Fingerprints(plain).of(plain.programs[0]))
    without, first, same, rebuilt = seen["records"]
    assert first == same and len({without, first, rebuilt}) == 3
    assert len(set(seen["plain"])) == 1


# --- Programs that extend programs; struct_ops ------------------------------------------------------

FREPLACE = """
__attribute__((noinline)) int replaced(struct __sk_buff *ctx) { asm volatile(""); return 1; }
SEC("tc") int target(struct __sk_buff *ctx) { return replaced(ctx); }
SEC("freplace/replaced") int replacing(struct __sk_buff *ctx) { return 2; }
"""


def test_freplace_is_loaded_for_the_function_of_a_program_of_its_object() -> None:
    bundle = bundle_of(FREPLACE, target="target")
    rows = {row.program: row for row in verify(bundle)}
    assert rows["target"].verdict == "accepted"
    assert (rows["replacing"].verdict, rows["replacing"].errno) in (
        ("accepted", None),
        ("unsupported", "EPERM"),
    )


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (None, "nothing says in which program"),
        ("gone", "no target program gone"),
        ("gone/prog", "its target object gone: prog: there is no object gone beside it"),
        ("id:0", "its target program id:0 is no program's id"),
    ],
)
def test_freplace_without_its_target_says_what_is_missing(target: str | None, words: str) -> None:
    settings = {} if target is None else {"target": target}
    rows = {row.program: row for row in verify(bundle_of(FREPLACE, **settings))}
    assert rows["target"].verdict == "accepted"
    assert rows["replacing"].verdict == "error"
    assert words in rows["replacing"].message


def test_a_pinned_map_is_no_target(tmp_path: Path) -> None:
    def verified() -> list[tuple[str | None, str]]:
        libbpf_side.private_bpffs(tmp_path)
        bundle = bundle_of(HASH % (INTS + "__uint(pinning, 1);") + TC % "prog")
        with ExitStack() as stack:
            pins = Pins(stack)
            pins.pin(bundle, stack.enter_context(opened(bundle)).map_fds, ())
        assert Path("/sys/fs/bpf/table").exists()
        rows = verify(bundle_of(FREPLACE, target="/sys/fs/bpf/table"))
        return [(row.errno, row.message) for row in rows if row.type == "ext"]

    words = "its target program /sys/fs/bpf/table is no program, but a map or a link"
    assert insns.in_child(verified) == [("EINVAL", words)]


# A congestion control whose struct has members that no kernel has; more: further ones of ours.
CONTROL = """
struct sock;
struct tcp_congestion_ops___mine {
	void (*init)(struct sock *);
	__u32 (*ssthresh)(struct sock *);
	void (*cong_avoid)(struct sock *, __u32, __u32);
	__u32 (*undo_cwnd)(struct sock *);
	char name[16];
	int no_such_number;
	void (*no_such_callback)(struct sock *);
};
SEC("struct_ops/ssthresh") __u32 ssthresh(void *ctx) { return 2; }
SEC("struct_ops/cong_avoid") void cong_avoid(void *ctx) {}
SEC("struct_ops/undo_cwnd") __u32 undo_cwnd(void *ctx) { return 10; }
SEC("%s") struct tcp_congestion_ops___mine control = {
	.ssthresh = (void *)ssthresh, .cong_avoid = (void *)cong_avoid, .undo_cwnd = (void *)undo_cwnd,
	.name = "bpfline", %s
};
"""
LATER = 'SEC("struct_ops/no_such_callback") void later(void *ctx) {}\n'


def test_members_of_a_struct_ops_that_the_kernel_lacks_are_left_out_where_they_are_zero() -> None:
    rows = verify(bundle_of(CONTROL % (".struct_ops", "")))
    words = "struct tcp_congestion_ops has no no_such_number, no_such_callback, left out where it is zero"
    assert {(row.verdict, row.note) for row in rows} == {
        ("accepted", f"map control: this kernel's {words}"),
    }


@pytest.mark.parametrize("member", [".no_such_number = 3", ".no_such_callback = (void *)later"])
def test_members_of_a_struct_ops_that_the_kernel_lacks_are_missed_where_they_are_not_zero(
    member: str,
) -> None:
    """As by libbpf, which has the callback's own address there: nothing of the object is loaded."""
    bundle = bundle_of(LATER + CONTROL % (".struct_ops", member))
    name = member.split()[0][1:]
    assert {(row.verdict, row.errno, row.message) for row in verify(bundle)} == {
        (
            "unsupported",
            "EOPNOTSUPP",
            f"map control: this kernel's struct tcp_congestion_ops has no member {name}",
        )
    }
    err = io.StringIO()
    assert run.run([bundle], seconds=0, out=io.StringIO(), err=err) == 2
    assert f"has no member {name}" in err.getvalue()


def test_a_struct_ops_that_is_not_created_keeps_the_rest_of_its_object_from_nothing() -> None:
    text = TC % "prog" + LATER + CONTROL % ("?.struct_ops.link", ".no_such_callback = (void *)later")
    bundle = bundle_of(text)
    assert {each.name: each.autoload for each in bundle.programs} == {
        **dict.fromkeys(("later", "ssthresh", "cong_avoid", "undo_cwnd"), False),
        "prog": True,
    }
    rows = {row.program: row for row in verify(bundle)}
    assert rows.pop("prog").verdict == "accepted"
    assert {row.verdict for row in rows.values()} == {"unsupported"}
    created = bundle_of(text + 'SEC(".struct_ops") struct tcp_congestion_ops___mine other = {'
                        ' .ssthresh = (void *)ssthresh, .name = "other" };\n')  # fmt: skip
    assert {each.name for each in created.programs if each.autoload} == {"prog", "ssthresh"}


@pytest.mark.parametrize("declared", ["char name[15]", "int name"])
def test_a_member_of_a_struct_ops_that_is_another_in_the_kernel_is_not_supported_as_with_libbpf(
    declared: str,
) -> None:
    text = (CONTROL % (".struct_ops", "")).replace("char name[16]", declared).replace('"bpfline"', "{0}")
    found = {(row.verdict, row.errno) for row in verify(bundle_of(text))}
    assert found == {("unsupported", "EOPNOTSUPP")}


OTHER = 'SEC("%s") struct tcp_congestion_ops___mine other = { %s, .name = "other" };\n'
TWICE = "program undo_cwnd is ssthresh, and undo_cwnd already; write a program for each member"


def test_a_program_that_is_two_members_of_struct_ops_is_refused_with_both_named_as_by_libbpf() -> None:
    text = CONTROL % (".struct_ops", "")
    same = bundle_of(text + OTHER % (".struct_ops", ".undo_cwnd = (void *)undo_cwnd"))
    assert {row.verdict for row in verify(same)} == {"accepted"}, "the same member of two structs"
    twice = bundle_of(text + OTHER % (".struct_ops", ".ssthresh = (void *)undo_cwnd"))
    assert {(row.verdict, row.errno, row.message) for row in verify(twice)} == {
        ("error", "EINVAL", f"map other: {TWICE}")
    }
    within = bundle_of(text.replace(".ssthresh = (void *)ssthresh", ".ssthresh = (void *)undo_cwnd"))
    assert {(row.verdict, row.errno) for row in verify(within)} == {("error", "EINVAL")}


def test_a_struct_ops_that_is_not_created_takes_no_program_from_one_that_is() -> None:
    first = OTHER % ("?.struct_ops", ".ssthresh = (void *)undo_cwnd")
    text = CONTROL % (".struct_ops", "")
    struct, sep, rest = text.partition('SEC(".struct_ops")')
    assert {row.verdict for row in verify(bundle_of(struct + first + sep + rest))} == {"accepted"}


@pytest.mark.parametrize("member", ["gone", "name"])
def test_a_struct_ops_function_for_a_member_that_is_none_is_one_clear_error(
    tmp_path: Path, member: str
) -> None:
    """As a damaged loader.json may have it."""
    parts.write(tmp_path, bundle_of(CONTROL % (".struct_ops", "")))
    described = json.loads((tmp_path / parts.FILE).read_text())
    described["maps"][0]["struct_ops"]["functions"][0][0] = member
    (tmp_path / "loader.json").write_text(json.dumps(described))
    rows = verify(read(tmp_path))
    assert {(row.verdict, row.message) for row in rows} == {
        ("error", f"map control: its struct has no pointer {member}, which is to be program ssthresh")
    }


@pytest.mark.parametrize(
    ("name", "essential"),
    [("a___b___x", "a___b"), ("a___x", "a"), ("___x", "___x"), ("a____x", "a____x"), ("a___", "a___")],
)
def test_a_flavour_is_what_stands_behind_the_last_three_underscores(name: str, essential: str) -> None:
    assert essential_name(name) == essential


def test_a_struct_ops_is_looked_for_by_its_name_before_the_last_flavour() -> None:
    text = (CONTROL % (".struct_ops", "")).replace("ops___mine", "ops___b___mine")
    (message,) = {row.message.partition(";")[0] for row in verify(bundle_of(text))}
    assert message == "map control: this kernel has no struct_ops of type tcp_congestion_ops___b"


def test_a_callback_that_no_struct_ops_names_is_an_error_as_for_libbpf() -> None:
    (row,) = verify(bundle_of('SEC("struct_ops/init") void lonely(void *ctx) {}\n'))
    assert (row.verdict, row.errno) == ("error", "EINVAL")
    assert row.message.startswith("no struct_ops map names this function; put it into a struct")


# --- The rest ---------------------------------------------------------------------------------------


def test_verify_asks_the_kernel_again_when_a_maps_contents_change_and_not_otherwise(tmp_path: Path) -> None:
    text = 'const volatile int limit = %d;\nSEC("tc") int prog(void *ctx) { return limit; }\n'
    one, two = (dataclasses.replace(bundle_of(text % n), folder=tmp_path) for n in (1, 2))
    assert [row.cached for row in (*verify(one), *verify(one), *verify(two))] == [False, True, False]


def test_lowered_from_root_an_object_is_opened_and_loaded() -> None:
    bundle = bundle_of(
        HASH % INTS
        + 'SEC("tc") int prog(void *ctx) { int k = 1; return !bpf_map_lookup_elem(&table, &k); }\n'
    )
    lower = lambda: privileges.lower(insns.NOBODY, insns.NOBODY)  # noqa: E731
    rows = insns.in_child(lambda: [(row.verdict, os.geteuid()) for row in verify(bundle)], prepare=lower)
    assert rows == [("accepted", insns.NOBODY)]


def test_a_map_that_is_there_already_is_used_and_left_alone() -> None:
    bundle = bundle_of(
        HASH % INTS
        + 'SEC("tc") int prog(void *ctx) { int k = 1; return !bpf_map_lookup_elem(&table, &k); }\n'
    )
    mine = bpf_map.map_create(bpf_map.MapAttr(map_types.MAP_TYPES["hash"], 4, 4, 4, map_name="mine"))
    with opened(bundle, present={"table": mine}) as object_:
        close_all(dict(load_all(object_, bundle)))
    bpf_map.map_update(mine, bytes(4), bytes(4))
    os.close(mine)
