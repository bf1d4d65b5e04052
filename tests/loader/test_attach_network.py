# SPDX-License-Identifier: Apache-2.0
"""XDP and tc programs see an interface's packets, through links and through rtnetlink; of the latter, the
next run removes what a killed one left, and nothing else.

Each test works in a network namespace of its own.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import assemble
import counting
from bpfline_loader import bpf, outliving, privileges, rtnetlink
from bpfline_loader.attach import Attachment, remove_left, tcx, xdp
from bpfline_loader.errors import KernelError, Problem
from counting import Counting, bundle, enter_network_of, in_network_namespace, loaded, send
from insns import in_child
from running import RUN, environment, program_ids, until

pytestmark = pytest.mark.kernel

XDP_PASS, TC_ACT_OK = 2, 0
XDP = bundle("xdp", "xdp", "lo", expected="xdp", returns=XDP_PASS)
INGRESS = bundle("sched_cls", "tc/ingress", "lo", expected="tcx_ingress", returns=TC_ACT_OK)
EGRESS = bundle("sched_cls", "tcx/egress", "lo", expected="tcx_egress", returns=TC_ACT_OK)
PLAIN = bundle("sched_cls", "tc", "lo/egress", returns=TC_ACT_OK)

LO = 1  # in every network namespace (LOOPBACK_IFINDEX)


@pytest.fixture(autouse=True)
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where these tests' records stand, away from those of real runs."""
    monkeypatch.setattr(outliving, "FOLDER", tmp_path / "records")
    return tmp_path / "records"


def alone(work: Callable[[], Any]) -> Any:
    """What work returns in a network namespace of its own."""
    return in_child(work, prepare=in_network_namespace)


def shown(*words: str) -> Any:
    """What iproute2 says."""
    said = subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout
    return json.loads(said or b"[]")


def tc_filters(direction: str = "ingress") -> list[str]:
    """The names of programs in tc filters of lo; iproute2 as the witness."""
    said = shown("tc", "-j", "filter", "show", "dev", "lo", direction)
    return [each["options"]["bpf_name"] for each in said if "bpf_name" in each.get("options", {})]


def qdiscs() -> list[str]:
    return [each["kind"] for each in shown("tc", "-j", "qdisc", "show", "dev", "lo")]


def xdp_on(name: str = "lo") -> int | None:
    """The id of the XDP program on an interface."""
    (link,) = shown("ip", "-j", "-d", "link", "show", "dev", name)
    return link["xdp"]["prog"]["id"] if "xdp" in link else None


def by_netlink(mode: str) -> Callable[[Counting], Attachment]:
    return lambda each: xdp.with_netlink("lo", LO, each.fd, mode)


def by_filter(direction: str) -> Callable[[Counting], Attachment]:
    return lambda each: tcx.with_filter(f"tc lo {direction}", LO, each.fd, direction)


WAYS = {
    "xdp link": (XDP, Counting.attach),
    "xdp netlink": (XDP, by_netlink("generic")),
    "tcx ingress": (INGRESS, Counting.attach),
    "tcx egress": (EGRESS, Counting.attach),
    "tcx, SEC(tc)": (PLAIN, Counting.attach),
    "filter ingress": (INGRESS, by_filter("ingress")),
    "filter egress": (EGRESS, by_filter("egress")),
}


@pytest.mark.parametrize("name", WAYS)
def test_it_sees_each_packet_while_it_is_attached_and_not_after(name: str, records: Path) -> None:
    what, way = WAYS[name]

    def counted() -> tuple[int, int]:
        with loaded(what) as each:
            attachment = way(each)
            send(5)
            during = each.count
            attachment.close()
            send(5)
            return during, each.count

    assert alone(counted) == (5, 5)
    assert not records.exists() or not list(records.iterdir())


def test_links_are_what_is_taken_where_the_kernel_has_them(records: Path) -> None:
    def fds() -> list[tuple[int, bool]]:
        found = []
        for what in (XDP, INGRESS, EGRESS, PLAIN):
            with loaded(what) as each:
                attachment = each.attach()
                found.append((len(attachment.fds), attachment.undo is None))
                attachment.close()
        return found

    assert alone(fds) == [(1, True)] * 4
    assert not records.exists()


def test_xdp_runs_in_the_driver_where_that_can_and_else_in_the_generic_way() -> None:
    def targets() -> list[str]:
        subprocess.run(["ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1"], check=True)
        found = []
        for name in ("lo", "v0"):
            what = bundle("xdp", "xdp", name, expected="xdp", returns=XDP_PASS)
            with loaded(what) as each:
                attachment = each.attach()
                found.append(attachment.target)
                attachment.close()
                attachment = xdp.with_netlink(
                    name, socket.if_nametoindex(name), each.fd, "native" if name == "v0" else "generic"
                )
                found.append(attachment.target)
                attachment.close()
        return found

    assert alone(targets) == ["xdp lo (generic)"] * 2 + ["xdp v0 (native)"] * 2


def test_without_links_xdp_goes_through_rtnetlink_and_tc_through_a_filter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuses(*_: int) -> int:  # as a kernel does that has no such attach type
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(xdp, "link_create", refuses)
    monkeypatch.setattr(tcx, "link_create", refuses)

    def counted() -> list[tuple[str, int, bool]]:
        found = []
        for what in (XDP, INGRESS, PLAIN):
            with loaded(what) as each:
                attachment = each.attach()
                send(3)
                found.append((attachment.target, each.count, attachment.undo is not None))
                attachment.close()
        return found

    assert alone(counted) == [
        ("xdp lo (generic)", 3, True),
        ("tc lo ingress", 3, True),
        ("tc lo egress", 3, True),
    ]


@pytest.mark.parametrize("name", ["xdp link", "tcx ingress"])
def test_sigkill_detaches_what_a_link_holds(name: str) -> None:
    what, way = WAYS[name]

    def attaches() -> int:
        with loaded(what) as each:
            way(each)
            return bpf.prog_info(each.fd).id

    with counting.child(attaches, in_network_namespace) as (pid, program):
        assert program in program_ids()
        enter = enter_network_of(pid)
        os.kill(pid, signal.SIGKILL)
        until(lambda: program not in program_ids())
        assert in_child(lambda: (xdp_on(), tc_filters()), prepare=enter) == (None, [])


@pytest.mark.parametrize("name", ["xdp netlink", "filter ingress", "filter egress"])
def test_the_next_run_removes_what_a_killed_one_left(name: str, records: Path) -> None:
    what, way = WAYS[name]

    def attaches() -> tuple[int, str]:
        with loaded(what) as each:
            attachment = way(each)
            return bpf.prog_info(each.fd).id, attachment.target

    def state() -> tuple[bool, list[str], bool]:
        left = xdp_on() is not None
        return left, tc_filters() + tc_filters("egress"), "clsact" in qdiscs()

    with counting.child(attaches, in_network_namespace) as (pid, (program, target)):
        enter = enter_network_of(pid)
        assert in_child(remove_left, prepare=enter) == []  # it lives: nothing is touched
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    time.sleep(0.1)
    assert program in program_ids()  # it has outlived its process
    before = in_child(state, prepare=enter)
    assert before[0] or before[1]

    assert remove_left() == []  # not from another network namespace
    assert program in program_ids() and list(records.glob("*.json"))

    said = in_child(remove_left, prepare=enter)
    assert f"removed what an earlier run had left: {target}" in said
    assert in_child(state, prepare=enter) == (False, [], False)
    until(lambda: program not in program_ids())
    assert not list(records.iterdir())
    assert in_child(remove_left, prepare=enter) == []


def test_what_others_put_there_stays(records: Path) -> None:
    def work() -> list[Any]:
        with loaded(INGRESS) as ours, loaded(INGRESS) as theirs:
            attachment = by_filter("ingress")(ours)  # makes the clsact qdisc
            options = rtnetlink.attribute(6, theirs.fd.to_bytes(4, "little"))
            options += rtnetlink.attribute(7, b"theirs\0")
            body = tcx._TCM.pack(0, LO, 0, tcx.PARENTS["ingress"], tcx._ETH_P_ALL) + tcx._kind("bpf")
            rtnetlink.request(
                rtnetlink.NEWTFILTER, body + rtnetlink.nested(2, options), rtnetlink.CREATE | rtnetlink.EXCL
            )
            found: list[Any] = [sorted(tc_filters())]
            attachment.close()
            found += [tc_filters(), "clsact" in qdiscs(), len(list(records.glob("*.json")))]
            subprocess.run(["tc", "filter", "del", "dev", "lo", "ingress"], check=True)
            # The qdisc was ours: it goes as soon as nobody uses it.
            return [*found, remove_left(), "clsact" in qdiscs(), list(records.iterdir())]

    both, theirs, clsact, left, said, after, records_ = alone(work)
    assert both == ["count", "theirs"] and theirs == ["theirs"] and clsact and left == 1
    assert said == ["removed what an earlier run had left: the clsact qdisc of tc lo ingress"]
    assert not after and records_ == []


def test_a_clsact_of_others_stays() -> None:
    def work() -> list[str]:
        subprocess.run(["tc", "qdisc", "add", "dev", "lo", "clsact"], check=True)
        with loaded(EGRESS) as each:
            by_filter("egress")(each).close()
        return qdiscs()

    assert "clsact" in alone(work)


def test_another_xdp_program_is_not_replaced() -> None:
    def work() -> list[str | None]:
        found = []
        with loaded(XDP) as first, loaded(XDP) as second:
            attachment = by_netlink("generic")(first)
            before = xdp_on()
            for way in (Counting.attach, by_netlink("generic")):
                try:
                    way(second)
                except (KernelError, OSError) as error:
                    found.append(error.errno)
            assert xdp_on() == before
            attachment.close()
        return found

    link, netlink = alone(work)
    assert link in ("EBUSY", "EEXIST") and netlink in (16, 17)


def test_an_ingress_qdisc_is_no_place_for_an_egress_filter() -> None:
    def work() -> str:
        subprocess.run(["tc", "qdisc", "add", "dev", "lo", "ingress"], check=True)
        with loaded(EGRESS) as each:
            try:
                by_filter("egress")(each).close()
            except Problem as problem:
                return problem.what
        return "attached"

    assert alone(work) == "an ingress qdisc stands where clsact would"


def test_an_interface_that_went_away_took_its_programs_with_it(records: Path) -> None:
    def work() -> tuple[list[str], list[Path]]:
        subprocess.run(["ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1"], check=True)
        index = socket.if_nametoindex("v0")
        with loaded(INGRESS) as tc_program, loaded(XDP) as xdp_program:
            attachments = [
                tcx.with_filter("tc v0 ingress", index, tc_program.fd, "ingress"),
                xdp.with_netlink("v0", index, xdp_program.fd, "native"),
            ]
            subprocess.run(["ip", "link", "del", "v0"], check=True)
            for attachment in attachments:
                attachment.close()
        return remove_left(), list(records.iterdir())

    assert alone(work) == ([], [])


@pytest.mark.parametrize("name", WAYS)
def test_a_process_that_lowered_itself_raises_itself_for_it(name: str) -> None:
    what, way = WAYS[name]

    def counted() -> tuple[int, int]:
        outliving.FOLDER.mkdir(exist_ok=True)
        privileges.lower(65534, 65534)
        with loaded(what) as each:
            if way is Counting.attach:
                attachment = each.attach()
            else:
                with privileges.raised():
                    attachment = way(each)
            send(3)
            with privileges.raised():
                count = each.count
            attachment.close()
            return count, os.geteuid()

    assert alone(counted) == (3, 65534)
    assert not list(outliving.FOLDER.iterdir())


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (bundle("xdp", "xdp", "l0", expected="xdp"), "there is no such network interface"),
        (bundle("sched_cls", "tc", "lo/up"), "is no place for a tc program"),
        (
            bundle("sched_cls", "tcx/ingress", "lo/egress", expected="tcx_ingress"),
            'is egress, and SEC."tcx/ingress". is for ingress',
        ),
        (bundle("sched_cls", "tc", "nosuch/egress"), "there is no such network interface"),
        (bundle("sched_cls", "tc"), "nothing says what it is to be attached to"),
        (bundle("xdp", "xdp/devmap", "lo", expected="xdp_devmap"), "xdp/devmap programs cannot be attached"),
    ],
)
def test_a_wrong_target_is_one_clear_problem(what: Any, said: str) -> None:
    with loaded(what) as each, pytest.raises(Problem, match=said):
        each.attach()


def test_the_kernels_own_words_about_a_request_are_given() -> None:
    with pytest.raises(OSError) as caught:
        rtnetlink.request(rtnetlink.NEWQDISC, tcx._TCM.pack(0, LO, 0, 0x1234, 0) + tcx._kind("clsact"))
    assert caught.value.strerror not in ("", os.strerror(caught.value.errno))


def test_a_real_run_removes_what_a_killed_one_left(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.undo()  # /run/bpfline, where a run of its own looks
    assemble.make_bundle(tmp_path / "refused", assemble.refused())

    def attaches() -> int:
        with loaded(INGRESS) as each:
            by_filter("ingress")(each)
            return bpf.prog_info(each.fd).id

    with counting.child(attaches, in_network_namespace) as (pid, program):
        enter = enter_network_of(pid)

    def runs() -> tuple[int, str]:
        ended = subprocess.run(
            [*RUN, str(tmp_path / "refused")], stderr=subprocess.PIPE, text=True, env=environment()
        )
        return ended.returncode, ended.stderr

    status, said = in_child(runs, prepare=enter)
    assert status == 1  # what it was given to run is another matter
    assert "removed what an earlier run had left: tc lo ingress\n" in said
    until(lambda: program not in program_ids())
    assert in_child(lambda: (tc_filters(), "clsact" in qdiscs()), prepare=enter) == ([], False)
