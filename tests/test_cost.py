# SPDX-License-Identifier: Apache-2.0
"""The cost of verification: of real programs on the running kernel, and of the logs of eleven kernels."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import golden_logs
from bpf_objects import GPL, HEADERS, compile_bpf
from bpfline import cost, elf, spec, verifier_log
from bpfline.cli import main
from bpfline.cost import Cost
from bpfline.diagnosis import diagnose
from bpfline.settings import ObjectSettings
from bpfline.verifier_log import events as ev
from bpfline.verifier_log import states
from bpfline_loader.bundle import Bundle
from bpfline_loader.verdict import Verdict
from bpfline_loader.verify import verify
from conftest import Project
from golden_logs import FIXTURES, Log, fixture

# Each instruction on a line of its own, so that what the verifier does can be counted by hand.
BY_HAND = (
    HEADERS
    + GPL
    + """
__attribute__((naked, noinline)) static int half(void)
{
	asm volatile("r0 = 1");                  /* HALF1 */
	asm volatile("if r1 > 7 goto +1");       /* HALF2 */
	asm volatile("r0 = 2");                  /* HALF3 */
	asm volatile("exit");                    /* HALF4 */
}
SEC("xdp") __attribute__((naked)) int fork(void *ctx)
{
	asm volatile("r1 = *(u32 *)(r1 + 12)");  /* LOAD */
	asm volatile("r0 = 1");                  /* SET */
	asm volatile("if r1 > 7 goto +1");       /* JUMP */
	asm volatile("r0 = 2");                  /* BEHIND */
	asm volatile("exit");                    /* EXIT */
}
SEC("xdp") __attribute__((naked)) int twice(void *ctx)
{
	asm volatile("r6 = *(u32 *)(r1 + 12)");  /* LOAD2 */
	asm volatile("r1 = r6");                 /* ARG1 */
	asm volatile("call %0" :: "i"(half));    /* CALL1 */
	asm volatile("r7 = r0");                 /* KEEP */
	asm volatile("r1 = r6");                 /* ARG2 */
	asm volatile("call %0" :: "i"(half));    /* CALL2 */
	asm volatile("r0 += r7");                /* SUM */
	asm volatile("r0 = 2");                  /* SET2 */
	asm volatile("exit");                    /* EXIT2 */
}
"""
)

WHOLE = (
    HEADERS
    + GPL
    + """
static __attribute__((always_inline)) int clamp(int value)
{
	return value > 16 ? 16 : value; /* INLINED */
}
static __attribute__((noinline)) int spin(int times)
{
	volatile char seen[16] = {};
	int sum = 0;
	for (int i = 0; i < times; i++) { /* LOOP */
		sum += i;
		asm volatile("" : "+r"(sum));
	}
	return sum + seen[3];
}
__attribute__((noinline)) int outside(int value)
{
	asm volatile("" : "+r"(value));
	return clamp(value) * 3;
}
SEC("xdp") int count_up(struct xdp_md *ctx)
{
	int sum = spin(4); /* FOUR */
	if (ctx->ingress_ifindex > 7)
		sum += spin(9); /* NINE */
	return clamp(sum) + outside(sum) > 5 ? XDP_PASS : XDP_DROP;
}
"""
)

BIG = """
SEC("xdp") int big(struct xdp_md *ctx)
{
	int sum = 0;
	for (int i = 0; i < 3000; i++) {
		sum += i;
		asm volatile("" : "+r"(sum));
	}
	return sum & 1;
}
"""

# Twenty calls of 60,000 instructions: the seventeenth is not walked to its end.
LIMIT = (
    HEADERS
    + GPL
    + """
static __attribute__((naked, noinline)) int work(void)
{
	asm volatile(".rept 60000; r0 = 0; .endr"); /* WORK */
	asm volatile("exit");                       /* LEAVE */
}
SEC("xdp") int limit(struct xdp_md *ctx)
{
	int all = ctx->ingress_ifindex;
	if (all > 7) /* BRANCH */
		return 1;
	asm volatile(".rept 20; call %0; .endr" :: "i"(work) : "r0", "r1", "r2", "r3", "r4", "r5"); /* CALLS */
	return 2;
}
"""
)


def line(source: str, mark: str) -> int:
    return next(n for n, text in enumerate(source.splitlines(), 1) if f"/* {mark} */" in text)


def verified(source: str, folder: Path, mode: str = "full") -> tuple[Bundle, dict[str, Verdict]]:
    bundle, rows = judged(source, folder, mode)
    assert [row.verdict for row in rows.values()] == ["accepted"] * len(rows), rows
    return bundle, rows


def judged(source: str, folder: Path, mode: str = "full") -> tuple[Bundle, dict[str, Verdict]]:
    path = compile_bpf(source)
    made = spec.spec(
        elf.read(path), name="prog", source="prog.bpf.c", settings=ObjectSettings(), clang=None, mcpu=None
    )
    rows = verify(made.bundle, mode=mode, folder=folder)
    return made.bundle, {row.program: row for row in rows}


def whole(row: Verdict, bundle: Bundle) -> Cost | None:
    assert row.log is not None
    return cost.whole_of(Path(row.log), cost.lines_of(row, bundle), program=row.program)


def measured(source: str, program: str, folder: Path) -> tuple[Cost, list[tuple[tuple[str, ...], int]]]:
    bundle, rows = verified(source, folder)
    row = rows[program]
    found = whole(row, bundle)
    assert found is not None and row.log is not None
    stacks = cost.stacks(Path(row.log).read_bytes(), cost.lines_of(row, bundle))
    return found, [(tuple(frame.rpartition("/")[2] for frame in frames), weight) for frames, weight in stacks]


def by_line(found: Cost) -> dict[int, int]:
    return {each.place.line: each.insns for each in found.lines}


def sums_are_right(found: Cost, stacks: list[tuple[tuple[str, ...], int]]) -> bool:
    whole = found.processed_insns
    sums = (sum(each.insns for each in found.lines), sum(weight for _, weight in stacks),
            sum(each.insns or 0 for each in found.functions))  # fmt: skip
    return bool(found.whole) and sums == (whole, whole, whole)


# Counted by hand


@pytest.mark.kernel
def test_a_fork_is_counted_as_by_hand(tmp_path: Path) -> None:
    found, stacks = measured(BY_HAND, "fork", tmp_path)
    marks = {"LOAD": 1, "SET": 1, "JUMP": 1, "BEHIND": 1, "EXIT": 2}
    assert by_line(found) == {line(BY_HAND, mark): times for mark, times in marks.items()}
    assert (found.processed_insns, found.counted, found.headroom) == (6, 6, 99.9994)
    (branch,) = found.branches
    assert (branch.insn, branch.visits, branch.taken, branch.passed, branch.both) == (2, 1, 1, 1, 1)
    assert (branch.place.line, branch.place.function) == (line(BY_HAND, "JUMP"), "fork")
    assert branch.place.column > 0
    assert found.lines[0].place.source == '\tasm volatile("exit");                    /* EXIT */'
    assert [(each.name, each.insns, each.stack) for each in found.functions] == [("fork", 6, 0)]
    assert stacks[0] == (("fork", f"prog.bpf.c:{line(BY_HAND, 'EXIT')}"), 2)


@pytest.mark.kernel
def test_work_in_a_function_goes_to_the_call_that_led_there(tmp_path: Path) -> None:
    """The first call's other branch is taken up last, when the second call was the last one seen. What is
    known of r6 decides the jump of the second call: it is one way each time, so that nothing is pruned."""
    found, stacks = measured(BY_HAND, "twice", tmp_path)
    assert sums_are_right(found, stacks)
    at = {mark: f"prog.bpf.c:{line(BY_HAND, mark)}" for mark in re.findall(r"/\* (\w+) \*/", BY_HAND)}
    of = dict(stacks)

    def inside(call: str) -> list[int]:
        return [of[("twice", at[call], "half", at[f"HALF{number}"])] for number in (1, 2, 3, 4)]

    own = {mark: of[("twice", at[mark])] for mark in ("LOAD2", "CALL1", "KEEP", "CALL2", "EXIT2")}
    assert inside("CALL1") == [1, 1, 1, 2]
    assert inside("CALL2") == [2, 2, 1, 2]
    assert own == {"LOAD2": 1, "CALL1": 1, "KEEP": 2, "CALL2": 2, "EXIT2": 2}


# R9 of each frame holds by which calls it was entered, as the verifier sees it, which says so for each branch
# that it takes up. The loop of turn() begins with the function's first instruction.
TAGGED = (
    HEADERS
    + GPL
    + """
static __attribute__((naked, noinline)) int turn(void)
{
	asm volatile("TOP_%=:                     \\
	r9 = r5;                                  \\
	r6 = r1;                                  \\
	call %0;                                  \\
	r1 = r6;                                  \\
	r1 += 1;                                  \\
	if r1 > 4 goto OUT_%=;                    \\
	r5 = r9;                                  \\
	if r0 > 7 goto TOP_%=;                    \\
	if r0 == 3 goto OUT_%=;                   \\
	r1 += 1;                                  \\
	goto TOP_%=;                              \\
	OUT_%=:                                   \\
	r0 = r1;                                  \\
	exit" :: "i"(bpf_get_prandom_u32));
}
static __attribute__((naked, noinline)) int both(void)
{
	asm volatile("r9 = r5; r7 = r1");
	asm volatile("r5 *= 10; r5 += 1");
	asm volatile("call %0" :: "i"(turn));    /* CALL1 */
	asm volatile("if r0 > 5 goto +5");
	asm volatile("r1 = r7; r5 = r9");
	asm volatile("r5 *= 10; r5 += 2");
	asm volatile("call %0" :: "i"(turn));    /* CALL2 */
	asm volatile("exit");
}
SEC("xdp") int tagged(struct xdp_md *ctx)
{
	asm volatile("r1 = 0; r5 = 3; r9 = 0");
	asm volatile("call %0" :: "i"(both) : "r0", "r1", "r2", "r3", "r4", "r5", "r9"); /* CALL3 */
	asm volatile("r1 = 2; r5 = 4");
	asm volatile("call %0" :: "i"(both) : "r0", "r1", "r2", "r3", "r4", "r5"); /* CALL4 */
	asm volatile("r1 = 1; r5 = 5");
	asm volatile("call %0" :: "i"(turn) : "r0", "r1", "r2", "r3", "r4", "r5"); /* CALL5 */
	return 0;
}
"""
)


def tagged_visits(log: bytes) -> tuple[Counter[int], int]:
    """(visits of instructions by the tag in R9, how many branches were taken up that end at once)."""
    visits: Counter[int] = Counter()
    pruned = 0
    tags: list[int | str] = [0]
    for event in verifier_log.read(log):
        if isinstance(event, ev.FromTo) and event.pruned:
            pruned += 1
        elif isinstance(event, ev.FromTo):
            tags = [states.parse(event.state).regs[9].const or 0]
        elif isinstance(event, ev.Insn | ev.Safe):
            visits[int(tags[-1])] += 1
        elif isinstance(event, ev.Call) and event.side == "callee":
            tags.append("next")
        elif isinstance(event, ev.State) and tags[-1] == "next":
            tags[-1] = states.parse(event.state).regs[5].const or 0
    return visits, pruned


@pytest.mark.kernel
def test_each_branch_of_a_static_function_counts_for_the_chain_that_it_was_left_in(tmp_path: Path) -> None:
    bundle, rows = verified(TAGGED, tmp_path)
    path = rows["tagged"].log
    assert path is not None
    log = Path(path).read_bytes()
    told, pruned = tagged_visits(log)
    assert log.count(b"\nfrom ") > 40 and set(told) == {0, 3, 4, 5, 31, 32, 41, 42}
    calls = {f"prog.bpf.c:{line(TAGGED, f'CALL{number}')}": number for number in range(1, 6)}
    counted: Counter[int] = Counter()
    for frames, weight in cost.stacks(log, cost.lines_of(rows["tagged"], bundle)):
        chain = [calls[frame.rpartition("/")[2]] for frame in frames[1:-2:2]]
        counted[int("".join(map(str, chain)) or 0)] += weight
    # Of a branch that ends at once the log shows no registers: those are the only ones that may be more.
    assert told - counted == Counter() and (counted - told).total() == pruned


# Whole programs


@pytest.mark.kernel
def test_loop_subprogram_global_and_inlined_functions_add_up(tmp_path: Path) -> None:
    found, stacks = measured(WHOLE, "count_up", tmp_path)
    assert sums_are_right(found, stacks)
    assert found.lines[0].insns >= found.lines[-1].insns
    functions = {each.name: each for each in found.functions}
    assert list(functions) == ["count_up", "spin", "outside"]
    assert (functions["spin"].stack or 0) >= 16
    assert by_line(found)[line(WHOLE, "LOOP")] >= 4 + 9
    calls = Counter({frames[1].rpartition(":")[2]: 0 for frames, _ in stacks})
    for frames, weight in stacks:
        if frames[2:3] == ("spin",):
            calls[frames[1].rpartition(":")[2]] += weight
    four, nine = calls[str(line(WHOLE, "FOUR"))], calls[str(line(WHOLE, "NINE"))]
    assert four + nine == functions["spin"].insns and nine > four > 0
    assert {frames[0] for frames, _ in stacks} == {"count_up", "outside"}  # a global function is a root


@pytest.mark.kernel
def test_inlined_lines_count_for_the_function_that_holds_them(tmp_path: Path) -> None:
    found, stacks = measured(WHOLE, "count_up", tmp_path)
    inlined = line(WHOLE, "INLINED")
    holders = {frames[-2] for frames, _ in stacks if frames[-1] == f"prog.bpf.c:{inlined}"}
    assert holders == {"count_up", "outside"}
    assert by_line(found)[inlined] == sum(
        weight for frames, weight in stacks if frames[-1] == f"prog.bpf.c:{inlined}"
    )


@pytest.mark.kernel
def test_reports_get_no_cost_where_the_log_does_not_show_all_work(tmp_path: Path) -> None:
    bundle, rows = verified(BY_HAND, tmp_path, mode="short")
    assert whole(rows["fork"], bundle) is None
    bundle, rows = verified(BY_HAND, tmp_path, mode="auto")
    assert whole(rows["fork"], bundle) is not None


@pytest.mark.kernel
def test_a_program_that_runs_into_the_limit_has_its_lines_functions_and_branches(tmp_path: Path) -> None:
    """The kernel gives up at the 1,000,001st instruction: that one is in its figures, and not in its log."""
    bundle, rows = judged(LIMIT, tmp_path)
    assert (rows["limit"].verdict, rows["limit"].errno) == ("refused", "E2BIG")
    found = whole(rows["limit"], bundle)
    assert found is not None and rows["limit"].log is not None
    assert (found.processed_insns, found.counted, found.headroom) == (1_000_001, 1_000_000, 0.0)
    assert (found.whole, found.note) == (True, "")
    lines, functions = by_line(found), {each.name: each.insns or 0 for each in found.functions}
    assert lines[line(LIMIT, "LEAVE")] == 16 and lines[line(LIMIT, "CALLS")] == 17
    assert functions["work"] == lines[line(LIMIT, "WORK")] + 16
    assert sum(lines.values()) == sum(functions.values()) == 1_000_000
    (branch,) = found.branches
    assert (branch.place.line, branch.visits, branch.passed, branch.taken) == (line(LIMIT, "BRANCH"), 1, 1, 0)
    text = cost.to_text(found)
    assert text.startswith("limit: 1,000,001 instructions processed, 0.0 % of 1,000,000 left\n")
    assert "note:" not in text


LOOPS = (
    HEADERS
    + GPL
    + """
SEC("tc") int forever(struct __sk_buff *skb)
{
	volatile int x = 0;
	while (1) {
		x++;
		if (x == skb->mark) /* OUT */
			break;
	}
	return 0;
}
SEC("tc") int spin(struct __sk_buff *skb)
{
	__u32 h = 0;
	for (__u32 i = 0; i < skb->len; i++) {
		h = h * 31 + bpf_get_prandom_u32();
		if (h & 1) /* LEAVES */
			h ^= skb->hash;
	}
	return h;
}
"""
)


@pytest.mark.kernel
def test_an_infinite_loop_is_a_way_that_was_followed(tmp_path: Path) -> None:
    bundle, rows = judged(LOOPS, tmp_path)
    found = whole(rows["forever"], bundle)
    assert found is not None
    (branch,) = found.branches
    assert (branch.place.line, branch.taken, branch.passed, branch.both) == (line(LOOPS, "OUT"), 2, 2, 2)


@pytest.mark.kernel
def test_the_ways_that_wait_when_the_verifier_gives_up_count_and_the_jump_that_left_most_is_to_blame(
    tmp_path: Path,
) -> None:
    bundle, rows = judged(LOOPS, tmp_path)
    row = rows["spin"]
    found = whole(row, bundle)
    assert found is not None and row.log is not None
    assert sum(branch.waiting for branch in found.branches) == 8192  # all that the kernel keeps
    first = found.branches[0]
    assert first.place.line == line(LOOPS, "LEAVES") and first.both == first.waiting > 8000
    assert f"{first.waiting:,}  {first.place}  if (h & 1)" in cost.to_text(found)
    told = diagnose(Path(row.log).read_bytes(), cost.lines_of(row, bundle))
    assert told is not None and told.code == "BPF023" and told.place == first.place
    assert told.label == f"{first.waiting:,} of the 8,192 ways that wait to be looked at are of this jump"


# The logs of eleven kernels


@pytest.mark.parametrize("log", [log for log in FIXTURES if log.level == 6], ids=lambda log: log.name)
def test_every_level_2_log_adds_up(log: Log) -> None:
    found = cost.of(log.data, program=log.program)
    assert sums_are_right(found, cost.stacks(log.data)), found
    assert found.processed_insns == verifier_log.summary(log.data).stats.processed_insns
    if log.kernel == "5.10":  # does not say from where it takes up a branch
        assert all(branch.taken is None for branch in found.branches if log.errno == 0)
    else:
        assert all(
            branch.visits <= branch.passed + (branch.taken or 0)
            for branch in found.branches
            if log.errno == 0
        )


KERNELS = [log.kernel for log in FIXTURES if log.program == "ok_sub" and log.level == 6]


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_same_program_costs_the_same_on_every_kernel(kernel: str) -> None:
    found = cost.of(fixture(f"{kernel} ok_sub 6").data)
    assert [each.insns for each in found.functions] == [7, 13]
    assert {each.place.source.split("(")[0].strip(): each.insns for each in found.lines} == {
        "SEC": 7, "static __attribute__": 1, "void *d =": 2, "if": 3, "return eth->h_proto + x;": 5, "}": 2
    }  # fmt: skip
    stacks = Counter[str]()
    for frames, weight in cost.stacks(fixture(f"{kernel} ok_sub 6").data):
        stacks[" ".join(frames[::2])] += weight
    assert stacks == {"func#0": 7, "func#0 func#1": 13}


@pytest.mark.parametrize("level", [4, 5])
@pytest.mark.parametrize("kernel", KERNELS)
def test_a_log_below_level_2_gives_figures_and_says_that_it_has_no_lines(kernel: str, level: int) -> None:
    found = cost.of(fixture(f"{kernel} ok_global {level}").data)
    assert found.processed_insns == cost.of(fixture(f"{kernel} ok_global 6").data).processed_insns
    assert (found.lines, found.branches, found.whole) == ((), (), False)
    assert "level 2" in found.note


def test_functions_are_counted_by_the_trailer_of_7_3_at_any_level() -> None:
    found = cost.of(fixture("7.3 ok_global 4").data)
    whole = cost.of(fixture("7.3 ok_global 6").data)
    assert [(each.name, each.insns) for each in found.functions] == [
        (each.name, each.insns) for each in whole.functions
    ]


def test_a_log_that_was_cut_is_no_basis_for_lines() -> None:
    log = fixture("6.18 ok_global 6").data
    assert "has no end" in cost.of(log[: len(log) // 2]).note
    assert re.search(r"has \d+ of 50 instructions", cost.of(log[len(log) // 2 :]).note)
    assert cost.of(b"").note and cost.stacks(b"") == []


# What is shown


def test_the_example_in_the_document_is_what_is_printed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    document = (Path(__file__).parent.parent / "docs" / "cost.md").read_text()
    shown = re.search(r"`bpfline (cost \S+ [^`]*)`.*?```text\n(.*?)```", document, re.DOTALL)
    source = re.search(r"```c\n(.*?)```", document, re.DOTALL)
    assert shown and source and source[1] in (golden_logs.DATA / "t.bpf.c").read_text()
    path = tmp_path / "ok_global.log"
    path.write_bytes(fixture("7.3 ok_global 6").data)
    assert main(shown[1].replace("ok_global.log", str(path)).split()) == 0
    assert capsys.readouterr().out == shown[2]


@pytest.mark.kernel
def test_a_saved_log_and_its_object_give_columns_and_functions(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    _, rows = verified(WHOLE, tmp_path)
    log, made = rows["count_up"].log, compile_bpf(WHOLE)
    assert log is not None
    assert main(["cost", log, "--object", str(made), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    (found,) = document["results"]
    assert document["schema"] == 1
    assert found["program"] == "count_up"
    assert [each["name"] for each in found["functions"]] == ["count_up", "spin", "outside"]
    assert sum(each["insns"] for each in found["lines"]) == found["processed_insns"]
    assert all(branch["column"] for branch in found["branches"])


def test_what_is_no_log_ends_with_2(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text("nothing\n")
    assert main(["cost", str(path)]) == 2
    assert capsys.readouterr().err.startswith(f"{path}: error: is no verifier log")


@pytest.mark.kernel
def test_doit_cost_traces_what_doit_verify_does_not(project: Project) -> None:
    project.write("bpf_src/big.bpf.c", HEADERS + GPL + BIG)
    project.write("bpf_src/small.bpf.c", HEADERS + GPL + 'SEC("xdp") int small(void *ctx) { return 2; }\n')
    project.doit("verify")
    document = json.loads(project.doit("cost", "--json").stdout)
    rows = {row["program"]: row for row in document["results"]}
    assert list(rows) == ["big", "small"]
    whole = rows["big"]["cost"]
    assert whole["counted_insns"] == whole["processed_insns"] > 2000
    assert whole["lines"][0]["file"] == "bpf_src/big.bpf.c" and whole["lines"][0]["percent"] > 30
    kept = project.path(rows["small"]["log"]).stat().st_mtime_ns
    one = project.doit("cost", "--prog", "small", "--top", "1").stdout
    assert one.startswith("small/small: 2 instructions processed, 99.9998 % of 1,000,000 left\n")
    assert "big" not in one
    assert project.path(rows["small"]["log"]).stat().st_mtime_ns == kept  # `doit verify` had all of it
    project.doit("cost", "--prog", "smal", status=3)
    project.doit("cost", "--top", "-1", status=3)


@pytest.mark.kernel
def test_doit_cost_leaves_what_doit_verify_keeps_as_it_is(project: Project) -> None:
    project.write("bpf_src/big.bpf.c", HEADERS + GPL + BIG)
    project.doit("verify")
    folder = project.path("build/big/verifier") / os.uname().release
    kept = {name: (folder / name).read_bytes() for name in ("big.log", "verdict.json")}
    (first,) = json.loads(project.doit("cost", "--json").stdout)["results"]
    assert {name: (folder / name).read_bytes() for name in kept} == kept
    assert project.path(first["log"]) == folder / "cost/big.log"
    assert json.loads(project.doit("verify", "--json").stdout)["results"][0]["cached"]
    made = (folder / "cost/big.log").stat().st_mtime_ns
    assert json.loads(project.doit("cost", "--json").stdout)["results"] == [first]
    assert (folder / "cost/big.log").stat().st_mtime_ns == made  # the kernel was not asked again
    compared = json.loads(main_out(project, "compare", "build", "build", "--json"))
    assert compared["a"]["programs"] == 1  # of one program there is one verdict


@pytest.mark.kernel
def test_a_refused_program_has_its_cost_and_is_then_diagnosed_where_the_work_is(project: Project) -> None:
    project.write("bpf_src/limit.bpf.c", LIMIT)
    before = project.doit("verify", status=1).stdout
    assert f"limit.bpf.c:{line(LIMIT, 'WORK')}" not in before
    assert "doit cost --prog limit shows the lines that take most." in " ".join(before.split())
    ended = project.doit("cost", "--prog", "limit", "--top", "1")  # a cost is what was asked for
    told = "limit/limit: 1,000,001 instructions processed, 0.0 % of 1,000,000 left\n"
    assert ended.stdout.startswith(told)
    why = "BPF program is too large. Processed 1000001 insn"
    assert f"\n  refused, after this work: {why}\n" in ended.stdout
    assert ended.stderr.count("refused") == 0 and ended.stdout.count(why) == 1
    after = project.doit("verify", status=1).stdout
    assert f"bpf_src/limit.bpf.c:{line(LIMIT, 'WORK')}:2 (program limit" in after
    assert re.search(
        r"\^ 999,9\d\d of the 1,000,000 instructions that were processed are of this line", after
    )
    assert "the verifier came to this jump once" in after
    assert "doit cost --prog limit shows the lines that take most." in " ".join(after.split())


def main_out(project: Project, *args: str) -> str:
    command = [sys.executable, "-m", "bpfline", *args]
    environ = {**project.env, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        command, cwd=project.root, env=environ, check=True, text=True, capture_output=True
    ).stdout
