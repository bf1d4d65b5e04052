# SPDX-License-Identifier: Apache-2.0
"""Workers: what one of them did not do when it ended is done by another."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from bpfline_loader import workers
from bpfline_loader.workers import Crash


def wait_for(path: Path) -> None:
    """Until path is there; a test that fails must end, too."""
    for _ in range(1000):
        if path.exists():
            return
        time.sleep(0.01)
    raise TimeoutError(path)


def working(folder: Path) -> Callable[[int], int]:
    """Work that says its worker's pid in a file of the item's name; items 0 and 2 wait for a file."""

    def work(item: int) -> int:
        (folder / f"new-{item}").write_text(str(os.getpid()))
        (folder / f"new-{item}").rename(folder / str(item))
        if item in (0, 2):
            wait_for(folder / f"go-{item}")
        return item * 10

    return work


def test_a_worker_that_ends_after_its_answer_takes_nothing_along(tmp_path: Path) -> None:
    done = workers.each(working(tmp_path), list(range(5)), 2)
    assert next(done) == (1, 10)  # the other worker is at item 0, this one gets item 2
    wait_for(tmp_path / "2")
    (tmp_path / "go-0").touch()
    time.sleep(0.3)  # its answer is in the pipe
    os.kill(int((tmp_path / "0").read_text()), signal.SIGKILL)
    time.sleep(0.1)
    (tmp_path / "go-2").touch()
    assert sorted(done) == [(item, item * 10) for item in (0, 2, 3, 4)]


def test_what_a_worker_was_given_and_had_not_begun_is_done_by_another(tmp_path: Path) -> None:
    done = workers.each(working(tmp_path), list(range(5)), 2)
    assert next(done) == (1, 10)
    wait_for(tmp_path / "2")
    (tmp_path / "go-0").touch()
    time.sleep(0.3)
    first = int((tmp_path / "0").read_text())
    os.kill(first, signal.SIGSTOP)
    time.sleep(0.1)  # until it is where it stops
    assert next(done) == (0, 0)  # the stopped worker was given item 3
    os.kill(first, signal.SIGKILL)
    (tmp_path / "go-2").touch()
    assert sorted(done) == [(2, 20), (3, 30), (4, 40)]


def test_the_item_at_which_a_worker_ends_is_a_crash_and_the_others_are_done() -> None:
    def work(item: int) -> int:
        if item in (0, 3):
            os.kill(os.getpid(), signal.SIGKILL)
        return item * 10

    found = dict(workers.each(work, list(range(6)), 2))
    assert found == {0: Crash("signal 9"), 1: 10, 2: 20, 3: Crash("signal 9"), 4: 40, 5: 50}


def test_workers_that_all_end_at_their_first_item_end_the_work() -> None:
    found = dict(workers.each(lambda item: os._exit(item), list(range(1, 5)), 2))
    assert found == {item: Crash(f"exit status {item}") for item in range(1, 5)}
