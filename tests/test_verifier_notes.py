# SPDX-License-Identifier: Apache-2.0
"""What the running kernel notes of its own bookkeeping in a level 2 log: never why a program is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bpf_objects import GPL, HEADERS, compile_bpf
from bpfline import elf, spec, verifier_log
from bpfline.diagnosis import diagnose
from bpfline.settings import ObjectSettings
from bpfline.verifier_log import events as ev
from bpfline_loader.verify import verify

pytestmark = pytest.mark.kernel
EXAMPLES = Path(__file__).parent / "bpf" / "errors"

# What outer() branches on has to be exact when a state like one before is met again.
PROPAGATES = (
    HEADERS
    + GPL
    + """
static __attribute__((noinline)) int pick(__u32 value)
{
	int found = 1;
	if (value > 7)
		found = 2;
	asm volatile("" : "+r"(found));
	if (value & 16)
		found += 3;
	return found;
}
static __attribute__((noinline)) int outer(__u32 value)
{
	int sum = pick(value);
	if (value > 100)
		sum += pick(value + 1);
	return sum;
}
SEC("xdp") int twice(struct xdp_md *ctx)
{
	int sum = outer(ctx->ingress_ifindex);
	if (ctx->rx_queue_index > 3)
		sum += outer(ctx->rx_queue_index);
	return sum & 1;
}
"""
)


def level_2(source: str, folder: Path) -> tuple[str, bytes]:
    """(verdict, log) of the one program of source."""
    made = compile_bpf(source)
    found = spec.spec(
        elf.read(made), name="x", source="x.bpf.c", settings=ObjectSettings(), clang=None, mcpu=None
    )
    (row,) = verify(found.bundle, mode="full", folder=folder)
    assert row.log is not None
    return row.verdict, Path(row.log).read_bytes()


def notes(log: bytes) -> dict[str, list[str]]:
    found = list(verifier_log.read(log))
    assert b"".join(event.raw for event in found) == log
    by_kind: dict[str, list[str]] = {}
    for event in found:
        if isinstance(event, ev.Note):
            assert event.raw.decode().rstrip("\n") == event.text
            by_kind.setdefault(event.what, []).append(event.text)
    return by_kind


def test_notes_on_the_stack_are_no_message_of_an_accepted_program(tmp_path: Path) -> None:
    verdict, log = level_2((EXAMPLES / "BPF002_good.bpf.c").read_text(), tmp_path)
    assert verdict == "accepted"
    told = notes(log)["stack"]
    assert any(" +live -8" in text for text in told) and told[-1].startswith("(0) live stack update done in ")
    assert verifier_log.summary(log).messages == ()
    assert diagnose(log) is None


def test_notes_on_the_stack_are_no_part_of_why_a_program_is_refused(tmp_path: Path) -> None:
    verdict, log = level_2((EXAMPLES / "BPF020_bad.bpf.c").read_text(), tmp_path)
    assert verdict == "refused" and len(notes(log)["stack"]) > 10
    words = ("combined stack size of 2 calls is 640. Too large",)
    assert verifier_log.summary(log).messages == words
    found = diagnose(log)
    assert found is not None and (found.code, found.message) == ("BPF020", words[0])


def test_what_is_propagated_to_a_pruned_state_is_a_note(tmp_path: Path) -> None:
    verdict, log = level_2(PROPAGATES, tmp_path)
    assert verdict == "accepted"
    assert all(re.fullmatch(r"frame [0-2]: propagating r\d", text) for text in notes(log)["precision"])
    assert not [event for event in verifier_log.read(log) if isinstance(event, ev.Message)]
