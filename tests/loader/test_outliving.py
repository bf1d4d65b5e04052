# SPDX-License-Identifier: Apache-2.0
"""Records of what outlives its process: nobody but the next run of the same boot acts on them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import counting
from bpfline_loader import outliving, privileges
from bpfline_loader.errors import KernelError, Problem
from counting import descriptors, in_network_namespace
from insns import become_nobody, in_child


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(outliving, "FOLDER", tmp_path / "records")
    return tmp_path / "records"


class Undone(list[Mapping[str, Any]]):
    """A way to remove that keeps what it was asked for, and answers with answer."""

    def __init__(self, answer: bool | OSError = True) -> None:
        self.answer = answer

    def __call__(self, details: Mapping[str, Any]) -> bool:
        self.append(details)
        if isinstance(self.answer, OSError):
            raise self.answer
        return self.answer


def left(kind: str = "thing", **details: Any) -> None:
    """Have a process record something and be killed."""
    with counting.child(lambda: outliving.record(kind, f"the {kind}", **details).kind):
        pass


def files(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_what_a_killed_process_left_is_removed_once(folder: Path) -> None:
    left(number=7)
    before = descriptors()
    way = Undone()
    assert outliving.remove_left({"thing": way}) == ["removed what an earlier run had left: the thing"]
    assert outliving.remove_left({"thing": way}) == []
    assert way == [{"number": 7}] and files(folder) == []
    assert descriptors() == before


def test_what_a_living_process_holds_is_left_alone(folder: Path) -> None:
    way = Undone()
    with counting.child(lambda: outliving.record("thing", "the thing").kind):
        assert outliving.remove_left({"thing": way}) == []
        assert len(files(folder)) == 1
    assert outliving.remove_left({"thing": way}) != []
    mine = outliving.record("thing", "mine")
    assert outliving.remove_left({"thing": way}) == [] and len(way) == 1
    mine.forget()


def test_what_cannot_be_removed_now_is_kept_for_the_next_run(folder: Path) -> None:
    left()
    assert outliving.remove_left({"thing": Undone(False)}) == []
    (said,) = outliving.remove_left({"thing": Undone(OSError(1, "Operation not permitted"))})
    assert "the thing: error: cannot be removed: Operation not permitted" in said
    assert len(files(folder)) == 1
    assert outliving.remove_left({"thing": Undone()}) != [] and files(folder) == []


def test_kinds_are_removed_in_the_order_of_the_ways() -> None:
    order: list[str] = []
    for kind in ("second", "first", "second", "first"):
        left(kind)
    ways = {kind: lambda _, kind=kind: bool(order.append(kind)) or True for kind in ("first", "second")}
    outliving.remove_left(ways)
    assert order == ["first", "first", "second", "second"]


def test_records_of_an_earlier_boot_go_and_nothing_is_undone(folder: Path, monkeypatch) -> None:
    left()
    monkeypatch.setattr(outliving, "boot", lambda: "another")
    way = Undone()
    assert outliving.remove_left({"thing": way}) == []
    assert way == [] and files(folder) == []


def test_what_is_no_record_of_ours_is_said_and_left(folder: Path) -> None:
    left("of a later bpfline")
    (folder / "damaged.json").write_text("{")
    (folder / "other.json").write_text(json.dumps({"boot": outliving.boot()}))
    (folder / "link.json").symlink_to("/etc/passwd")
    said = outliving.remove_left({"thing": Undone()})
    assert sum("is no record of bpfline's" in line for line in said) == 2
    assert sum("another bpfline's record of the of a later bpfline" in line for line in said) == 1
    assert len(files(folder)) == 4


@pytest.mark.kernel
def test_a_record_whose_program_is_gone_goes_and_nothing_is_undone(folder: Path) -> None:
    left(program=0x7FFFFFFF)
    way = Undone()
    assert outliving.remove_left({"thing": way}) == []
    assert way == [] and files(folder) == []


def test_what_cannot_be_recorded_is_not_made(folder: Path) -> None:
    folder.parent.chmod(0o755)

    def work() -> str:
        try:
            outliving.record("thing", "the thing")
        except Problem as problem:
            return str(problem)
        return "recorded"

    said = in_child(work, prepare=become_nobody)
    assert "cannot be written: EACCES" in said and "it is not made without a record" in said


def test_a_lowered_process_still_sees_the_records(folder: Path) -> None:
    left()

    def work() -> list[str]:
        privileges.lower(65534, 65534)
        return outliving.remove_left({"thing": Undone()})

    assert in_child(work) == ["removed what an earlier run had left: the thing"]
    assert folder.stat().st_mode & 0o777 == 0o700


def test_an_undoing_that_fails_is_a_clear_problem(folder: Path) -> None:
    record = outliving.record("thing", "the thing")
    with pytest.raises(KernelError) as caught:
        outliving.undo(record, Undone(OSError(16, os.strerror(16))))
    assert caught.value.errno == "EBUSY" and len(files(folder)) == 1


def test_each_network_namespace_is_told_from_the_others() -> None:
    assert outliving.network() == outliving.network()
    others = [in_child(outliving.network, prepare=in_network_namespace) for _ in range(2)]
    assert len({outliving.network(), *others}) == 3
