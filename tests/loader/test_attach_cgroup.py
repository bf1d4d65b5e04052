# SPDX-License-Identifier: Apache-2.0
"""Programs of cgroups run for the processes of their cgroup, through links and with BPF_PROG_ATTACH."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import counting
from bpfline_loader import bpf, outliving, tracefs
from bpfline_loader.attach import Attachment, cgroup, remove_left
from bpfline_loader.bundle import Bundle
from bpfline_loader.errors import KernelError, Problem
from counting import Counting, bundle, descriptors, loaded, send
from insns import in_child
from running import program_ids, until

pytestmark = pytest.mark.kernel

ALLOW = 1


def of_cgroup(kind: str, section: str, expected: str | None, path: str | None) -> Bundle:
    return bundle(kind, section, path, expected=expected, returns=ALLOW)


@pytest.fixture
def group() -> Iterator[str]:
    """A cgroup of version 2 that only these tests use."""
    mount = next(each.path for each in tracefs.mountinfo() if each.kind == "cgroup2")
    path = Path(mount, f"bpfline-test-{os.getpid()}")
    path.mkdir()
    yield str(path)
    until(lambda: not (path / "cgroup.procs").read_text())
    path.rmdir()


@pytest.fixture(autouse=True)
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(outliving, "FOLDER", tmp_path / "records")
    return tmp_path / "records"


def inside(group: str, work: Callable[[], None]) -> None:
    """Do work in a process of that cgroup."""
    in_child(work, prepare=lambda: (Path(group) / "cgroup.procs").write_text(str(os.getpid())) and None)


def with_prog_attach(each: Counting) -> Attachment:
    folder = cgroup.opened(each.program.attach or "/")
    try:
        number = bpf.ATTACH_TYPES[each.program.expected_attach_type or "cgroup_inet_ingress"]
        return cgroup.with_prog_attach(folder, each.fd, number)
    finally:
        os.close(folder.fd)


WAYS = {"link": Counting.attach, "BPF_PROG_ATTACH": with_prog_attach}


@pytest.mark.parametrize("way", WAYS)
def test_it_runs_for_its_own_cgroup_alone_and_not_after(group: str, way: str, records: Path) -> None:
    before = descriptors()
    with loaded(of_cgroup("cgroup_skb", "cgroup_skb/egress", "cgroup_inet_egress", group)) as each:
        attachment = WAYS[way](each)
        assert attachment.target == f"cgroup {group}"
        send(3)
        assert each.count == 0
        inside(group, lambda: send(5))
        assert each.count == 5
        attachment.close()
        inside(group, lambda: send(5))
        assert each.count == 5
    assert descriptors() == before
    assert not records.exists() or not list(records.iterdir())


def makes_socket() -> None:
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()


def connects() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as each:
        each.connect(("127.0.0.1", 9))


def gets_option() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as each:
        each.getsockopt(socket.IPPROTO_IP, socket.IP_TTL)


KINDS: dict[str, tuple[str, str | None, Callable[[], None]]] = {
    "cgroup_skb/egress": ("cgroup_skb", "cgroup_inet_egress", lambda: send(1)),
    "cgroup/skb": ("cgroup_skb", None, lambda: send(1)),
    "cgroup/sock_create": ("cgroup_sock", "cgroup_inet_sock_create", makes_socket),
    "cgroup/connect4": ("cgroup_sock_addr", "cgroup_inet4_connect", connects),
    "cgroup/getsockopt": ("cgroup_sockopt", "cgroup_getsockopt", gets_option),
    "cgroup/sysctl": (
        "cgroup_sysctl",
        "cgroup_sysctl",
        lambda: Path("/proc/sys/kernel/ostype").read_text() and None,
    ),
    "cgroup/dev": ("cgroup_device", "cgroup_device", lambda: Path("/dev/null").read_text() and None),
}


@pytest.mark.parametrize("section", KINDS)
def test_each_kind_runs_for_what_it_is_about(group: str, section: str) -> None:
    kind, expected, happens = KINDS[section]
    with loaded(of_cgroup(kind, section, expected, group)) as each:
        attachment = each.attach()
        inside(group, happens)
        assert each.count >= 1
        attachment.close()


def test_without_a_path_it_is_for_every_process(group: str) -> None:
    with loaded(of_cgroup("cgroup_skb", "cgroup_skb/egress", "cgroup_inet_egress", None)) as each:
        attachment = each.attach()
        assert attachment.target == f"cgroup {Path(group).parent}"
        inside(group, lambda: send(2))
        send(2)
        assert each.count >= 4
        attachment.close()


def test_a_cgroup_is_named_as_the_kernel_or_the_file_system_does(group: str) -> None:
    for path in (group, f"/{Path(group).name}", Path(group).name, f"{group}/"):
        folder = cgroup.opened(path)
        os.close(folder.fd)
        assert folder.path == group


@pytest.mark.parametrize("way", WAYS)
def test_after_sigkill_nothing_stays_or_the_next_run_removes_it(group: str, way: str, records: Path) -> None:
    what = of_cgroup("cgroup_skb", "cgroup_skb/egress", "cgroup_inet_egress", group)

    def attaches() -> int:
        with loaded(what) as each:
            WAYS[way](each)
            return bpf.prog_info(each.fd).id

    with counting.child(attaches) as (pid, program):
        assert program in program_ids()
        assert remove_left() == []
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    if way == "BPF_PROG_ATTACH":
        assert program in program_ids()
        assert remove_left() == [f"removed what an earlier run had left: cgroup {group}"]
        assert list(records.iterdir()) == []
    until(lambda: program not in program_ids())


def test_without_links_it_is_attached_the_old_way(group: str, monkeypatch) -> None:
    def refuses(*_: int) -> int:  # as a kernel does that has no such command
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(cgroup, "link_create", refuses)
    with loaded(of_cgroup("cgroup_skb", "cgroup_skb/egress", "cgroup_inet_egress", group)) as each:
        attachment = each.attach()
        inside(group, lambda: send(2))
        assert each.count == 2 and attachment.undo is not None
        attachment.close()


def test_others_programs_are_left_alone(group: str) -> None:
    what = of_cgroup("cgroup_skb", "cgroup_skb/egress", "cgroup_inet_egress", group)
    with loaded(what) as first, loaded(what) as second:
        attachments = [with_prog_attach(first), with_prog_attach(second)]
        attachments[0].close()
        inside(group, lambda: send(2))
        assert (first.count, second.count) == (0, 2)
        attachments[1].close()


def test_a_program_that_allows_no_other_is_said(group: str) -> None:
    what = of_cgroup("cgroup_skb", "cgroup_skb/egress", "cgroup_inet_egress", group)
    number = bpf.ATTACH_TYPES["cgroup_inet_egress"]
    with loaded(what) as first, loaded(what) as second:
        folder = cgroup.opened(group)
        cgroup.prog_attach(first.fd, folder.fd, number)  # without BPF_F_ALLOW_MULTI
        with pytest.raises(KernelError) as caught:
            second.attach()
        cgroup.prog_detach(first.fd, folder.fd, number)
        os.close(folder.fd)
    assert caught.value.errno == "EPERM"
    assert "allows no other" in caught.value.help


@pytest.mark.parametrize("path", ["/nosuch", "/../cpu"])
def test_a_wrong_cgroup_is_one_clear_problem(path: str) -> None:
    with pytest.raises(Problem, match="is no cgroup"):
        cgroup.opened(path)


def test_a_cgroup_that_went_away_took_its_programs_with_it(group: str, records: Path) -> None:
    below = Path(group, "below")
    below.mkdir()
    what = of_cgroup("cgroup_skb", "cgroup_skb/egress", "cgroup_inet_egress", str(below))
    with loaded(what) as each:
        attachment = with_prog_attach(each)
        below.rmdir()
        attachment.close()
    assert list(records.iterdir()) == []
