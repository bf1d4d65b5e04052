# SPDX-License-Identifier: Apache-2.0
"""Diagnoses: real logs of eleven kernels, real refusals of the running one, and logs that nobody wrote."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import golden_diagnoses
from bpf_objects import HEADERS, compile_bpf
from bpfline import elf, program_lines, spec
from bpfline.catalogue import CATALOGUE
from bpfline.diagnosis import Diagnosis, Step, diagnose, to_json, to_text
from bpfline.diagnosis.insn import parse
from bpfline.diagnosis.path import read
from bpfline.diagnosis.text import columns
from bpfline.settings import ObjectSettings
from bpfline.verifier_log import read as read_log
from bpfline_loader import verify
from error_examples import load
from golden_logs import DATA, FIXTURES, Log, fixture

EXAMPLES = Path(__file__).parent / "bpf" / "errors"
REFUSED = [log for log in FIXTURES if log.errno]

each_refused = pytest.mark.parametrize("log", REFUSED, ids=lambda log: log.name)


# --- Real logs -----------------------------------------------------------------------------------------


def test_the_diagnoses_of_all_fixtures_are_those_that_were_read_critically() -> None:
    assert golden_diagnoses.whole() == golden_diagnoses.EXPECTED.read_text()


# Where t.bpf.c goes wrong, by the eyes of a person.
PLACES = {
    "bad_pkt": "34:10", "bad_null": "40:5", "bad_ref": "45:13", "bad_range": "57:9", "bad_loop": "62:9",
    "bad_helper": "75:2",
}  # fmt: skip


@pytest.mark.parametrize("log", [log for log in REFUSED if log.level != 4], ids=lambda log: log.name)
def test_every_kernels_log_gives_the_place_where_the_source_is_wrong(log: Log) -> None:
    found = diagnose(log.data, golden_diagnoses.lines_of(log.program))
    assert found is not None
    place = PLACES[log.program]
    if log.program == "bad_helper" and log.kernel in ("5.10", "6.1", "6.12"):
        place = "74:2"  # these have no bpf_get_current_comm() for XDP
    assert str(found.place) == f"t.bpf.c:{place}"


@each_refused
def test_a_diagnosis_has_at_most_25_lines_of_at_most_its_width(log: Log) -> None:
    found = diagnose(log.data, golden_diagnoses.lines_of(log.program), program=log.program)
    assert found is not None
    for width in (60, 80, 100, 200):
        lines = to_text(found, width=width).splitlines()
        assert len(lines) <= 25
        assert max(map(columns, lines)) <= width
    assert len(to_text(found, most=15).splitlines()) <= 15


def test_a_log_of_an_accepted_program_has_no_diagnosis() -> None:
    assert all(diagnose(log.data) is None for log in FIXTURES if not log.errno)


def test_the_same_refusal_is_followed_along_the_same_path_at_levels_1_and_2() -> None:
    for log in REFUSED:
        if log.level == 6:
            shorter = fixture(f"{log.kernel} {log.program} 5")
            paths = [[visit.idx for visit in read(read_log(each.data)).visits] for each in (log, shorter)]
            assert paths[0] == paths[1], log.name


def test_7_3s_own_report_is_used() -> None:
    found = diagnose(fixture("7.3 bad_pkt 5").data)
    assert found is not None
    assert found.reason.startswith("The verifier cannot prove offset + access_size <= object_size.")
    assert found.label == "access may be outside object bounds"
    assert [step.kind for step in found.steps] == ["origin", "branch"]
    assert str(found.place) == "t.bpf.c:34:10"


def test_a_log_that_is_cut_at_its_begin_still_has_place_and_message() -> None:
    log = fixture("6.18 bad_range 5").data
    found = diagnose(log[log.index(b"10: (61)") + 4 :], golden_diagnoses.lines_of("bad_range"))
    assert found is not None
    assert str(found.place) == "t.bpf.c:57:9"
    assert not any("nothing is written" in step.text for step in found.steps)


def test_the_rest_of_a_line_that_a_log_begins_with_is_no_part_of_the_message() -> None:
    log = fixture("6.18 bad_null 5").data
    end = log.index(b"\nR0 invalid mem access") + 1
    for length in range(1, 60):
        found = diagnose(log[end - length :])
        assert found is not None and found.code == "BPF003"
        assert found.message == "R0 invalid mem access 'map_value_or_null'"


@pytest.mark.parametrize("name", ["7.3 bad_pkt 5", "7.3 bad_null 5", "6.18 bad_pkt 6", "6.18 bad_null 4"])
def test_of_logs_in_one_file_the_last_is_explained_and_nothing_twice(name: str) -> None:
    log = fixture(name).data
    for before in (log, fixture("7.3 bad_ref 5").data, fixture("6.18 bad_range 4").data):
        found, alone = diagnose(before + b"\n" + log), diagnose(log)
        assert found is not None and alone is not None
        assert to_text(found, full=True) == to_text(alone, full=True)
        assert (found.reason, found.help, found.message) == (alone.reason, alone.help, alone.message)


def test_a_log_that_is_cut_before_its_message_is_no_refusal() -> None:
    log = fixture("6.18 bad_range 5").data
    assert diagnose(log[: log.index(b"value -2147483648")]) is None


def test_an_unknown_message_is_shown_as_it_is_with_its_line() -> None:
    log = fixture("6.18 bad_null 5").data
    said = b"R0 is of a kind that was invented tomorrow"
    found = diagnose(log.replace(b"R0 invalid mem access 'map_value_or_null'", said))
    assert found is not None
    assert (found.code, found.title, found.fault) == ("", said.decode(), "")
    assert found.place is not None and found.place.line == 40
    number = log.split(b"\n").index(b"R0 invalid mem access 'map_value_or_null'") + 1
    assert f"verifier, line {number} of the log: {said.decode()}" in to_text(found)


def test_what_a_terminal_would_obey_is_escaped() -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\u202e\u200b"
    log = f"; return 1; {evil} @ x{evil}.c:3\n0: (95) exit\nR0 !read_ok {evil}\nprocessed 1 insns\n"
    found = diagnose(log.encode())
    assert found is not None
    text = to_text(found, full=True)
    assert all(char == "\n" or char.isprintable() for char in text)
    assert "\\x1b]0;owned\\x07" in text and "\\u202e" in text


def test_a_source_line_of_a_megabyte_is_cut_at_once() -> None:
    log = b"0: (b7) r1 = 0 ; R1_w=0\n; " + b"a " * 500_000 + b"@ a.c:1\n"
    log += b"1: (61) r0 = *(u32 *)(r1 +0)\nR1 invalid mem access 'scalar'\n"
    text = to_text(diagnose(log))
    assert max(map(len, text.splitlines())) <= 100


def test_what_the_loader_says_is_used_where_the_log_says_nothing() -> None:
    """Up to 6.1 the kernel answers E2BIG without a word where a program uses more than 64 maps."""
    log = b"verification time 9 usec\nprocessed 0 insns (limit 1000000) max_states_per_insn 0\n"
    found = diagnose(log, errno="E2BIG", said="E2BIG: the program uses 65 maps, and the kernel takes 64")
    assert found and found.code == "BPF092" and "65 maps" in found.message


def test_colours_change_nothing_but_colours() -> None:
    for log in REFUSED:
        found = diagnose(log.data, golden_diagnoses.lines_of(log.program))
        assert found is not None
        coloured = to_text(found, colour=True)
        assert "\x1b[1;31m" in coloured
        assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == to_text(found)


# --- Real refusals -------------------------------------------------------------------------------------

MAPS = """
#include <linux/if_ether.h>
#include <linux/ip.h>
char LICENSE[] SEC("license") = "GPL";
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 16);
	__type(key, __u32); __type(value, __u64); } table SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 4);
	__type(key, __u32); __type(value, char[64]); } names SEC(".maps");
"""


def refused(text: str, tmp_path: Path) -> Diagnosis:
    """The diagnosis of the one program of a source, by the way that bpfline verify goes."""
    made = compile_bpf(HEADERS + MAPS + text)
    return _refused(made, tmp_path)


# Refused before the verifier has them: no such tracepoint, no such kernel function.
UNSUPPORTED = ("BPF051", "BPF087")


@pytest.mark.kernel
@pytest.mark.parametrize(
    "code", [entry.code for entry in CATALOGUE if not entry.without_example and entry.code not in UNSUPPORTED]
)
def test_every_example_of_the_catalogue_gets_its_code_and_a_place(code: str, tmp_path: Path) -> None:
    text = (EXAMPLES / f"{code}_bad.bpf.c").read_text()
    if "// loaded with: " in text:
        assert "CAP_BPF" in text  # what it is refused for is allowed here: test_catalogue.py loads it
        return
    flags = " ".join(re.findall(r"^// cflags: (.*)$", text, re.MULTILINE)).split()
    found = _refused(compile_bpf(text, "-Wno-uninitialized", *flags), tmp_path)
    assert found.code == code and found.label
    if "-g0" not in flags:  # which leaves no lines
        assert found.place is not None and found.place.line and found.place.source.strip()
    assert len(to_text(found).splitlines()) <= 25


def _refused(made: Path, folder: Path) -> Diagnosis:
    object_file = elf.parse_fast(made.read_bytes(), made)
    bundle = spec.spec(
        object_file, name="x", source=str(made), settings=ObjectSettings(), clang=None, mcpu=None
    ).bundle
    (program,) = bundle.programs
    (row,) = verify.verify(bundle, folder=folder, again=True)
    assert row.verdict == "refused" and row.log is not None, row
    found = diagnose(Path(row.log).read_bytes(), program_lines.of(program, bundle), errno=row.errno)
    assert found is not None
    return found


def at(found: Diagnosis | Step) -> str:
    """The source from its place's column on."""
    assert found.place is not None and found.place.column, found
    return found.place.source.encode()[found.place.column - 1 :].decode()


def told(found: Diagnosis, kind: str) -> list[Step]:
    return [step for step in found.steps if step.kind == kind]


@pytest.mark.kernel
def test_a_check_of_another_pointer_is_told_apart(tmp_path: Path) -> None:
    found = refused(
        """
SEC("xdp") int fails(struct xdp_md *ctx)
{
	__u32 one = 1, two = 2;
	__u64 *first = bpf_map_lookup_elem(&table, &one);
	__u64 *second = bpf_map_lookup_elem(&table, &two);

	if (!first)
		return XDP_PASS;
	return *second & 1;
}
""",
        tmp_path,
    )
    assert found.code == "BPF003" and at(found).startswith("*second")
    (origin,) = told(found, "origin")
    assert at(origin).startswith("bpf_map_lookup_elem(&table, &two)")
    assert "a value of map table (8 bytes), or NULL" in origin.text
    (check,) = told(found, "check")
    assert at(check).startswith("!first") and "checks another pointer, `first` (R" in check.text
    assert re.fullmatch(r"`second` \(R\d\) may be NULL here", found.label)


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("lines", "name"),
    [
        ("__u64 *value = bpf_map_lookup_elem(&table, &key);", "value"),
        ("void *value; value = (void *)0;\nvalue = (__u64 *)bpf_map_lookup_elem(&table, &key);", "value"),
        ("__u64 *value = bpf_map_lookup_elem(&table, &key), *other = (void *)0;", ""),
        ("__u64 *value = bpf_map_lookup_elem(&table, &key) + 0;", ""),
        ("__u64 *value = key == 1 ? bpf_map_lookup_elem(&table, &key) : 0;", ""),
        ("__u64 *value; if ((value = bpf_map_lookup_elem(&table, &key)) == 0) key++;", ""),
        ("__u64 *value = lookup(&key);", ""),
    ],
)
def test_a_variable_is_named_only_where_a_line_is_its_assignment(
    lines: str, name: str, tmp_path: Path
) -> None:
    found = refused(
        f"""
static __always_inline void *lookup(__u32 *key) {{ return bpf_map_lookup_elem(&table, key); }}
SEC("xdp") int fails(struct xdp_md *ctx)
{{
	__u32 key = ctx->rx_queue_index;
	{lines}

	return *(volatile __u64 *)value & 1;
}}
""",
        tmp_path,
    )
    assert found.label.endswith(" may be NULL here")
    assert found.label.startswith(f"`{name}` (R" if name else "R")


TWO = "p = bpf_map_lookup_elem(&table, &one);\n{0}\np = bpf_map_lookup_elem(&table, &two);"


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("lines", "label"),
    [
        (TWO.format("q = p;") + "\nif (!p)\nreturn 0;\n*q = 2;", "R"),
        (TWO.format("q = p;") + "\nif (p)\n*q += *p;", "R"),
        ("p = bpf_map_lookup_elem(&table, &one);\nq = p;\np = 0;\n*q = 2;", "R"),
        (TWO.format("q = p;") + "\nif (!q)\nreturn 0;\n*p = 2;", "`p` (R"),
        ("p = bpf_map_lookup_elem(&table, &one);\nbpf_map_update_elem(&table, p, &two, 0);", "`p` (R"),
        ("p = bpf_map_lookup_elem(&table, &one);\nq = p;\nbpf_map_delete_elem(&table, (void *)q);", "R"),
        ("p = bpf_map_lookup_elem(&table, &one);\n__sync_fetch_and_add(p, 1);", "`p` (R"),
        ("p = bpf_map_lookup_elem(&table, &one);\n*p = ctx->rx_queue_index;", "`p` (R"),
    ],
)
def test_a_pointer_is_named_by_the_variable_that_is_used_and_by_none_that_held_it_before(
    lines: str, label: str, tmp_path: Path
) -> None:
    found = refused(
        f"""
SEC("xdp") int fails(struct xdp_md *ctx)
{{
	__u32 one = 1, two = 2;
	__u64 *p, *q;

	{lines}
	return 0;
}}
""",
        tmp_path,
    )
    assert found.label.endswith(" may be NULL here")
    assert found.label.startswith(label)
    assert len(re.findall("`p`", found.label + "".join(step.text for step in found.steps))) < 2


@pytest.mark.kernel
@pytest.mark.parametrize("check", ["(void *)eth > end", "end < (void *)eth"])
def test_a_check_of_where_a_read_begins_is_said_to_check_no_byte(check: str, tmp_path: Path) -> None:
    found = refused(
        f"""
SEC("xdp") int fails(struct xdp_md *ctx)
{{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;

	if ({check})
		return XDP_PASS;
	return eth->h_proto & 1;
}}
""",
        tmp_path,
    )
    (step,) = told(found, "check")
    assert "checks no byte" in step.text


@pytest.mark.kernel
def test_a_check_with_an_offset_without_limit_is_said_to_give_no_range(tmp_path: Path) -> None:
    source = """
SEC("xdp") int fails(struct xdp_md *ctx)
{
	char *data = (char *)(long)ctx->data, *end = (char *)(long)ctx->data_end;
	__u32 off = ctx->rx_queue_index;

	asm volatile("" : "+r"(off));
	if (LIMITdata + off + 4 > end)
		return XDP_PASS;
	return *(int *)(data + off) & 1;
}
"""
    found = refused(source.replace("LIMIT", ""), tmp_path)
    assert found.code == "BPF006"
    (check,) = told(found, "check")
    assert check.text == "this check gives no range: the offset may be up to 4,294,967,295, more than 65,535"
    assert found.help.startswith("Limit the offset before it is added (if (off > 1000) return ...;)")
    assert check.text in to_text(found, most=15)
    made = compile_bpf(HEADERS + MAPS + source.replace("LIMIT", "off > 1000 || "))  # as the help says
    with pytest.raises(AssertionError, match="accepted"):
        _refused(made, tmp_path)


@pytest.mark.kernel
def test_a_check_before_a_variable_offset_was_added_is_told_and_so_is_the_sum(tmp_path: Path) -> None:
    found = refused(
        """
SEC("xdp") int fails(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct iphdr *ip = data + sizeof(struct ethhdr);
	__u16 *port;

	if ((void *)(ip + 1) > end)
		return XDP_PASS;
	port = (void *)ip + ip->ihl * 4;
	return port[1] & 1;
}
""",
        tmp_path,
    )
    (check,) = told(found, "check")
    assert check.text == "this checks 34 bytes of the packet from its start, without the variable offset"
    (lost,) = told(found, "lost")
    assert re.match(r"R\d, a number from 0 to 60, is added to the pointer R\d: ", lost.text)
    assert lost.text[:40] in to_text(found, most=15)


@pytest.mark.kernel
def test_where_a_line_has_more_reads_the_bytes_of_one_are_said_to_be_the_least(tmp_path: Path) -> None:
    source = """
SEC("xdp") int fails(struct xdp_md *ctx)
{
	__u8 *p = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	int sum = 0;

	if (p + 20 > end)
		return XDP_PASS;
	for (int i = FIRST; i < 32; i++)
		sum += p[i];
	return sum & 1;
}
"""
    least = " That is the least: other reads of this line may need more."
    found = refused(source.replace("FIRST", "0"), tmp_path)
    assert re.search(r"the start of the packet \+ \d+ <= data_end\.", found.help) and found.help.endswith(
        least
    )
    found = refused(source.replace("FIRST", "31"), tmp_path)
    assert found.help.endswith("the start of the packet + 32 <= data_end.")


@pytest.mark.kernel
def test_a_read_on_the_way_of_a_packet_that_is_too_short_is_said_to_be_there(tmp_path: Path) -> None:
    found = refused(
        """
SEC("xdp") int fails(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;

	if (data + sizeof(*eth) > end)
		return eth->h_proto & 1;
	return XDP_PASS;
}
""",
        tmp_path,
    )
    (step,) = told(found, "check")
    assert "too short" in step.text


@pytest.mark.kernel
def test_a_helper_that_moves_the_packet_is_where_the_pointer_was_lost(tmp_path: Path) -> None:
    found = refused(
        """
SEC("xdp") int fails(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;

	if (data + sizeof(*eth) > end || bpf_xdp_adjust_head(ctx, -8))
		return XDP_PASS;
	return eth->h_proto & 1;
}
""",
        tmp_path,
    )
    assert found.code == "BPF002" and at(found).startswith("h_proto")
    (lost,) = told(found, "lost")
    assert at(lost).startswith("bpf_xdp_adjust_head(ctx, -8)")
    assert found.help.startswith("Read data and data_end from the context again after bpf_xdp_adjust_head()")
    assert "probe_read" not in found.help


@pytest.mark.kernel
def test_arithmetic_that_loses_the_limits_is_shown_with_before_and_after(tmp_path: Path) -> None:
    found = refused(
        """
SEC("xdp") int fails(struct xdp_md *ctx)
{
	__u32 key = 1, index = ctx->rx_queue_index;
	char *name = bpf_map_lookup_elem(&names, &key);

	if (!name || index > 15)
		return XDP_PASS;
	index = index * 8 - 9;
	return name[index] & 1;
}
""",
        tmp_path,
    )
    assert found.place is not None and "name[index]" in found.place.source
    (lost,) = told(found, "lost")
    assert lost.place is not None and "index * 8 - 9" in lost.place.source
    assert "was a number from 0 to 120" in lost.text
    assert any("is a number from 0 to 15" in step.text for step in told(found, "check"))


@pytest.mark.kernel
def test_a_check_of_a_copy_that_the_verifier_does_not_connect_is_told(tmp_path: Path) -> None:
    found = refused(
        """
SEC("xdp") int fails(struct xdp_md *ctx)
{
	__u32 key = 1, low;
	char *name = bpf_map_lookup_elem(&names, &key);
	__u64 index = bpf_ktime_get_ns();

	if (!name)
		return XDP_PASS;
	asm volatile("%[low] = %[index]" : [low] "=&r"(low) : [index] "r"(index));
	if (low > 63)
		return XDP_PASS;
	return name[index] & 1;
}
""",
        tmp_path,
    )
    assert found.code == "BPF008" and at(found).startswith("name[index]")
    (lost,) = told(found, "lost")
    assert at(lost).startswith("low > 63") and "a copy" in lost.text


@pytest.mark.kernel
def test_a_check_of_32_bits_is_not_shown_as_a_range_of_64(tmp_path: Path) -> None:
    found = refused(
        """
SEC("xdp") int fails(struct xdp_md *ctx)
{
	__u32 key = 1;
	__u64 index = bpf_ktime_get_ns();
	char *name = bpf_map_lookup_elem(&names, &key);

	if (!name || (__u32)index > 63)
		return XDP_PASS;
	return name[index] & 1;
}
""",
        tmp_path,
    )
    assert found.code == "BPF008" and at(found).startswith("name[index]")
    assert found.label.endswith("is a number of which only the lower 32 bits have limits: 0 to 63")
    (check,) = (step for step in told(found, "check") if "63" in step.text)
    assert check.text.endswith("<= 63, but for its lower 32 bits only")
    assert found.help.startswith("Only the lower 32 bits were checked")


@pytest.mark.kernel
def test_a_byte_between_others_that_were_written_is_taken_for_padding() -> None:
    attempt = load(EXAMPLES / "BPF016_bad.bpf.c", mode="full")  # without privileges: others may read it
    found = diagnose(attempt.log)
    assert found is not None and found.code == "BPF016"
    assert "byte 1 of the 8 at fp-8 was never written, but the bytes around it were" in found.label
    assert "__builtin_memset(&x, 0, sizeof(x))" in found.help
    assert [step.text for step in told(found, "origin")] == [
        "1 byte at fp-8 is written",
        "4 bytes at fp-4 are written",
    ]


@pytest.mark.kernel
def test_the_way_of_an_infinite_loop_is_that_round_and_not_the_way_out(tmp_path: Path) -> None:
    found = refused(
        """
SEC("tc") int fails(struct __sk_buff *skb)
{
	volatile int x = 0;

	while (1) {
		x++;
		if (x == skb->mark)
			break;
	}
	return 0;
}
""",
        tmp_path,
    )
    assert found.code == "BPF024" and at(found).startswith("++")
    assert [re.sub(r"R\d", "R", step.text) for step in found.steps] == ["on this path R != R"]
    assert at(found.steps[0]).startswith("x == skb->mark")


@pytest.mark.kernel
def test_the_calls_that_lead_to_it_are_shown_outermost_first(tmp_path: Path) -> None:
    found = refused(
        """
static __noinline int protocol(struct xdp_md *ctx, int from)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct iphdr *ip = data + sizeof(struct ethhdr);

	if (data + from > end)
		return 0;
	return ip->protocol;
}
static __noinline int inner(struct xdp_md *ctx) { return protocol(ctx, 20) + 1; }
SEC("xdp") int fails(struct xdp_md *ctx) { return inner(ctx) > 6 ? XDP_DROP : XDP_PASS; }
""",
        tmp_path,
    )
    assert found.code == "BPF006" and at(found).startswith("protocol;")
    assert found.place is not None and found.place.function == "protocol"
    assert [at(step).partition("(")[0] for step in told(found, "call")] == ["inner", "protocol"]
    assert [step.text for step in told(found, "check")] == ["here 20 bytes of the packet are checked"]
    assert "23 of the packet: 20 bytes are checked" in found.label and "+ 24 <= data_end" in found.help


@pytest.mark.kernel
def test_a_leak_points_at_what_was_acquired_and_shows_the_branch_that_leaves_and_the_end(
    tmp_path: Path,
) -> None:
    found = _refused(compile_bpf((EXAMPLES / "BPF028_bad.bpf.c").read_text()), tmp_path)
    assert at(found).startswith("bpf_ringbuf_reserve(&events")
    assert found.label == "what bpf_ringbuf_reserve() gives here is not released on every path"
    assert [step.kind for step in found.steps] == ["acquired", "branch", "branch", "lost"]
    assert any("> 1500" in step.text for step in told(found, "branch"))
    (end,) = told(found, "lost")
    assert at(end) == "}"


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("code", "where", "label"),
    [
        ("BPF030", "bpf_spin_lock(&", "the lock taken here is not released on every path"),
        ("BPF080", "bpf_rcu_read_lock()", "the section entered here is not left on every path"),
        ("BPF029", "bpf_tail_call(", "what bpf_ringbuf_reserve() gave is still held"),
    ],
)
def test_a_lock_that_is_not_undone_is_marked_and_a_call_that_must_not_be_made_while_one_holds(
    code: str, where: str, label: str, tmp_path: Path
) -> None:
    found = _refused(compile_bpf((EXAMPLES / f"{code}_bad.bpf.c").read_text()), tmp_path)
    assert (found.code, found.label) == (code, label)
    assert at(found).startswith(where)
    assert len(told(found, "acquired")) == 1


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("code", "made", "says"),
    [
        ("BPF087", "loaders/weak_kfunc", "this kernel has no function bpf_made_up_kfunc()"),
        ("BPF076", "BPF076_bad", "this kernel has no struct task_struct.made_up"),
    ],
)
def test_what_the_kernel_lacks_is_named_and_not_by_the_number_that_stands_for_it(
    code: str, made: str, says: str, tmp_path: Path
) -> None:
    folder = EXAMPLES if made.startswith("BPF") else DATA
    found = _refused(compile_bpf((folder / f"{made}.bpf.c").read_text()), tmp_path)
    assert (found.code, found.label) == (code, says)


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("hook", "value", "known", "allowed"),
    [
        ("cgroup_skb/egress", "ctx->len", "any number of 32 bits", "0 to 3"),
        ("cgroup/sock_create", "2", "the number 2", "0 or 1"),
    ],
)
def test_the_values_that_may_be_returned_are_named(
    hook: str, value: str, known: str, allowed: str, tmp_path: Path
) -> None:
    of = "bpf_sock" if "sock" in hook else "__sk_buff"
    found = refused(
        f'SEC("{hook}") int fails(struct {of} *ctx)\n{{\n\treturn {value};\n}}\n',
        tmp_path,
    )
    assert found.code == "BPF041"
    assert found.label == f"R0, which is returned, is {known}, and has to be {allowed}"
    assert found.help.startswith(f"Return {allowed} on every path")


GLOBAL = """
struct pair { int one, two; };
__attribute__((noinline)) int sum_of(struct pair *vMARK)
{
	CHECK
	return v->one + v->two;
}
SEC("xdp") int fails(struct xdp_md *ctx)
{
	struct pair v = {1, 2};
	return sum_of(&v) & 1;
}
"""


@pytest.mark.kernel
def test_an_argument_of_a_global_function_is_told_to_be_one_and_each_help_helps(tmp_path: Path) -> None:
    found = refused(GLOBAL.replace("MARK", "").replace("CHECK", ""), tmp_path)
    assert found.code == "BPF004" and at(found).startswith("one")
    assert found.label == "R1, the function's argument 1, may be NULL here"
    assert "A global function" in found.cause and "__arg_nonnull" in found.help
    nonnull = ' __attribute__((btf_decl_tag("arg:nonnull")))'  # what __arg_nonnull is
    for mark, check in ((nonnull, ""), ("", "if (!v) return 0;")):
        with pytest.raises(AssertionError, match="accepted"):
            refused(GLOBAL.replace("MARK", mark).replace("CHECK", check), tmp_path)


@pytest.mark.kernel
def test_checks_for_null_that_clang_made_one_are_the_compilers_fault_and_the_help_helps(
    tmp_path: Path,
) -> None:
    source = """
SEC("xdp") int fails(struct xdp_md *ctx)
{
	__u32 one = 1, two = 2;
	__u64 *p = bpf_map_lookup_elem(&table, &one);
	__u64 *q = bpf_map_lookup_elem(&table, &two);

	TEST
	return 0;
}
"""
    found = refused(source.replace("TEST", "if (p || q)\n\t\treturn 1;"), tmp_path)
    assert (found.code, found.fault) == ("BPF039", "compiler")
    assert found.label.startswith("clang made one test of two here") and found.help.startswith(
        "Test one after the other"
    )
    apart = 'if (p)\n\t\treturn 1;\n\tasm volatile("" : "+r"(q));\n\tif (q)\n\t\treturn 1;'
    with pytest.raises(AssertionError, match="accepted"):
        refused(source.replace("TEST", apart), tmp_path)
    found = refused(source.replace("TEST", "return ((long)p | (long)q) & 1;"), tmp_path)
    assert (found.code, found.fault) == ("BPF039", "source")


@pytest.mark.kernel
def test_memory_that_was_given_back_is_no_pointer_any_more(tmp_path: Path) -> None:
    found = refused(
        """
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4096); } events SEC(".maps");
SEC("tc") int fails(struct __sk_buff *ctx)
{
	volatile __u64 *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event)
		return 0;
	bpf_ringbuf_submit((void *)event, 0);
	return *event & 1;
}
""",
        tmp_path,
    )
    assert found.code == "BPF002" and found.label.endswith("is no pointer any more")
    (lost,) = told(found, "lost")
    assert at(lost).startswith("bpf_ringbuf_submit(")
    assert found.help == "Do what is to be done with the memory before bpf_ringbuf_submit()."


@pytest.mark.kernel
def test_the_functions_that_take_the_stack_are_named_with_what_each_takes(tmp_path: Path) -> None:
    source = """
static __noinline int inner(void) { volatile char bytes[320] = {}; return bytes[1]; }
static __noinline int small(void) { volatile char bytes[8] = {}; return bytes[1]; }
SEC("tc") int fails(struct __sk_buff *ctx) { volatile char bytes[280] = {}; return inner()SMALL + bytes[1]; }
"""
    found = refused(source.replace("SMALL", ""), tmp_path)
    assert found.code == "BPF020"
    assert re.fullmatch(
        r"fails\(\) 280 \+ inner\(\) 320 bytes of stack: 6\d\d as the verifier rounds them up", found.label
    )
    assert [step.text for step in found.steps] == [
        "fails() takes 280 bytes of the stack",
        "inner() takes 320 bytes of the stack",
    ]
    assert [step.place.line for step in found.steps if step.place] == [
        line for line, text in enumerate((HEADERS + MAPS + source).splitlines(), 1) if "0] = {}" in text
    ][::-1]
    found = refused(source.replace("SMALL", " + small()"), tmp_path)  # is in no chain with inner()
    assert found.label.endswith(
        "; the program's largest: fails() 280, inner() 320, small() 8"
    ) and found.label.startswith("combined stack size of 2 calls is 6")


@pytest.mark.kernel
def test_a_call_that_leaves_nothing_in_a_register_is_named(tmp_path: Path) -> None:
    found = refused(
        """
SEC("xdp") __attribute__((naked)) int fails(void)
{
	asm volatile("r2 = 7; call 5; r0 = r2; exit");
}
""",
        tmp_path,
    )
    assert found.code == "BPF001" and found.insn == 2
    (lost,) = told(found, "lost")
    assert "bpf_ktime_get_ns() leaves nothing in R2" in lost.text


# --- Logs that nobody wrote ----------------------------------------------------------------------------

_LINES = sorted({line for log in REFUSED for line in log.data.split(b"\n")})


def _must_cope(log: bytes) -> None:
    found = diagnose(log)
    if found is not None:
        to_json(found)
        for full in (False, True):
            assert all(char == "\n" or char.isprintable() for char in to_text(found, width=60, full=full))


@given(st.lists(st.sampled_from(_LINES), max_size=60).map(b"\n".join))
@settings(max_examples=300, deadline=None)
def test_mixed_lines_of_all_kernels_raise_nothing(log: bytes) -> None:
    _must_cope(log)


@given(st.binary(max_size=400))
@settings(deadline=None)
def test_random_bytes_raise_nothing(log: bytes) -> None:
    _must_cope(log)


@given(st.sampled_from(REFUSED), st.integers(0), st.integers(0), st.binary(max_size=8))
@settings(max_examples=300, deadline=None)
def test_logs_that_were_cut_and_damaged_raise_nothing(log: Log, start: int, at_: int, damage: bytes) -> None:
    cut = log.data[start % len(log.data) :]
    at_ %= len(cut) + 1
    _must_cope(cut[:at_] + damage + cut[at_ + len(damage) :])


@given(st.text(max_size=60))
def test_any_text_can_be_taken_for_an_instruction(text: str) -> None:
    parse(text)
