# SPDX-License-Identifier: Apache-2.0
"""Logs as real loaders print them: bpftool, libbpf, cilium/ebpf and aya, recorded with Linux 6.18.

Each is of a refused example of tests/bpf/errors, but for a weak kfunc that is called without a check, whose
source stands beside the loaders' (tests/data/verifier-logs/loaders).
"""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpfline import verifier_log
from bpfline.diagnosis import Diagnosis, diagnose
from error_examples import EXAMPLES
from golden_logs import DATA, OF_LOADERS

WHO = {"bpftool": "libbpf", "libbpf": "libbpf", "cilium": "cilium/ebpf", "aya": "aya"}
# Where the examples go wrong, by the eyes of a person.
TEXT = {
    "BPF003": "*count += 1;",
    "BPF006": "return ip->protocol == 6 ? XDP_DROP : XDP_PASS;",
    "BPF028": "__u64 *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);",
    "BPF053": "__u64 *count = bpf_map_lookup_elem(&table, &key);",
    "BPF076": "struct task_struct *task = (void *)bpf_get_current_task();",
    "BPF087": "return bpf_made_up_kfunc(ctx->len);",
}

each_file = pytest.mark.parametrize("name", OF_LOADERS)
each_long = pytest.mark.parametrize(
    "name", [name for name, data in OF_LOADERS.items() if data.count(b"\n") > 1]
)


def code(name: str) -> str:
    found = re.search(r"BPF\d{3}", name)
    assert found
    return found[0]


def refusal(data: bytes) -> Diagnosis:
    """The diagnosis of the one refusal in what a loader printed."""
    (found,) = [found for log in verifier_log.unwrap_all(data) if (found := diagnose(log.log))]
    return found


def test_every_loader_is_there_in_two_versions_or_two_forms() -> None:
    who = [name.rsplit("-BPF", 1)[0] for name in OF_LOADERS]
    assert set(who) == {
        *("bpftool-7.1", "bpftool-7.8", "libbpf-1.1", "libbpf-1.7"),
        *("cilium-0.9", "cilium-0.22", "aya-0.13"),
    }
    assert who.count("aya-0.13") == 2


@each_file
def test_the_log_is_found_and_says_why(name: str) -> None:
    logs = verifier_log.unwrap_all(OF_LOADERS[name])
    assert {log.loader for log in logs} == {WHO[name.partition("-")[0]]}
    assert refusal(OF_LOADERS[name]).code == code(name)


@each_long
def test_nothing_of_the_log_is_lost_and_nothing_is_added(name: str) -> None:
    log = verifier_log.unwrap(OF_LOADERS[name])
    first, *_, last = log.decode().splitlines()
    assert re.match(r"0: |func#0 @0|arg#0 ", first), first
    assert last.startswith("processed ") and last.endswith("mark_read 0")


@each_long
def test_the_diagnosis_points_at_the_source(name: str) -> None:
    found = refusal(OF_LOADERS[name])
    assert found.place is not None and found.place.source == TEXT[code(name)]
    if (source := EXAMPLES / found.place.file).exists():
        assert source.read_text().splitlines()[found.place.line - 1].strip() == found.place.source


@each_file
def test_no_diagnosis_shows_the_number_of_a_poisoned_instruction(name: str) -> None:
    assert "unknown#" not in refusal(OF_LOADERS[name]).label


@pytest.mark.parametrize("name", [name for name in OF_LOADERS if f"{name[:-4]}-plus.txt" in OF_LOADERS])
def test_ciliums_short_form_above_its_long_one_is_the_same_refusal(name: str) -> None:
    short, long = OF_LOADERS[name], OF_LOADERS[f"{name[:-4]}-plus.txt"]
    (log,) = verifier_log.unwrap_all(short + long)
    assert log == verifier_log.unwrap_all(long)[0]
    (alone,) = verifier_log.unwrap_all(short)
    assert alone.program == "fails" and alone.omitted


LINES = sorted({line for data in OF_LOADERS.values() for line in data.splitlines(keepends=True)})


@given(st.lists(st.one_of(st.sampled_from(LINES), st.binary(max_size=9)), max_size=40).map(b"".join))
@settings(max_examples=200, deadline=None)
def test_mixed_and_damaged_words_of_loaders_raise_nothing(data: bytes) -> None:
    for log in verifier_log.unwrap_all(data):
        diagnose(log.log, program=log.program or "")


@given(st.sampled_from(sorted(OF_LOADERS)), st.integers(0, 2000), st.integers(0, 2000))
@settings(max_examples=200, deadline=None)
def test_words_of_loaders_cut_anywhere_raise_nothing(name: str, start: int, end: int) -> None:
    data = OF_LOADERS[name]
    for log in verifier_log.unwrap_all(data[start : len(data) - end]):
        diagnose(log.log, program=log.program or "")


def test_the_loaders_of_the_recordings_stand_beside_them() -> None:
    readme = (DATA / "README.md").read_text()
    for file in (DATA / "loaders").iterdir():
        assert f"loaders/{file.name}" in readme
    assert all(re.sub(r"-BPF.*", "", name) in readme for name in OF_LOADERS)
