# SPDX-License-Identifier: Apache-2.0
"""SEC() names against libbpf's rules and against the installed libbpf's own opinion."""

from __future__ import annotations

import re
import subprocess

import pytest

from bpf_objects import GPL, HEADERS, compile_bpf
from bpfline.section_kinds import BPF_F_SLEEPABLE, BPF_F_XDP_HAS_FRAGS, SECTION_KINDS, find, near
from bpfline_loader.enums import ATTACH_TYPES, PROG_TYPES

# section: (type, expected attach type, BTF name, flags, target), by linux/bpf.h and libbpf's words
# for each section: https://docs.kernel.org/bpf/libbpf/program_types.html
FACTS = {
    "socket": ("socket_filter", None, None, 0, None),
    "sk_reuseport/migrate": ("sk_reuseport", "sk_reuseport_select_or_migrate", None, 0, None),
    "kprobe": ("kprobe", None, None, 0, None),
    "kprobe/do_unlinkat": ("kprobe", None, None, 0, "do_unlinkat"),
    "kretprobe/do_unlinkat": ("kprobe", None, None, 0, "do_unlinkat"),
    "kprobe.multi/tcp_*": ("kprobe", "trace_kprobe_multi", None, 0, "tcp_*"),
    "kprobe.session/tcp_*": ("kprobe", "trace_kprobe_session", None, 0, "tcp_*"),
    "uprobe//bin/bash:readline": ("kprobe", None, None, 0, "/bin/bash:readline"),
    "uretprobe.s/libc.so.6:malloc": ("kprobe", None, None, BPF_F_SLEEPABLE, "libc.so.6:malloc"),
    "uprobe.multi.s/./a:b": ("kprobe", "trace_uprobe_multi", None, BPF_F_SLEEPABLE, "./a:b"),
    "ksyscall/unlinkat": ("kprobe", None, None, 0, "unlinkat"),
    "usdt/libc.so.6:libc:setjmp": ("kprobe", "trace_uprobe_multi", None, 0, "libc.so.6:libc:setjmp"),
    "tc": ("sched_cls", None, None, 0, None),
    "classifier": ("sched_cls", None, None, 0, None),
    "action": ("sched_act", None, None, 0, None),
    "tc/egress": ("sched_cls", "tcx_egress", None, 0, None),
    "tcx/ingress": ("sched_cls", "tcx_ingress", None, 0, None),
    "netkit/peer": ("sched_cls", "netkit_peer", None, 0, None),
    "tp/sched/sched_switch": ("tracepoint", None, None, 0, "sched/sched_switch"),
    "tracepoint.s/syscalls/sys_enter_open": (
        "tracepoint",
        None,
        None,
        BPF_F_SLEEPABLE,
        "syscalls/sys_enter_open",
    ),
    "raw_tp/sched_switch": ("raw_tracepoint", None, None, 0, "sched_switch"),
    "raw_tp.w/nbd_send_request": ("raw_tracepoint_writable", None, None, 0, "nbd_send_request"),
    "tp_btf/sched_switch": ("tracing", "trace_raw_tp", "btf_trace_sched_switch", 0, "sched_switch"),
    "fentry/do_unlinkat": ("tracing", "trace_fentry", "do_unlinkat", 0, "do_unlinkat"),
    "fexit/nf_conntrack:nf_ct_get": (
        "tracing",
        "trace_fexit",
        "nf_conntrack:nf_ct_get",
        0,
        "nf_conntrack:nf_ct_get",
    ),
    "fmod_ret.s/bpf_modify": ("tracing", "modify_return", "bpf_modify", BPF_F_SLEEPABLE, "bpf_modify"),
    "fsession/do_unlinkat": ("tracing", "trace_fsession", "do_unlinkat", 0, "do_unlinkat"),
    "fentry.multi/tcp_*": ("tracing", "trace_fentry_multi", None, 0, "tcp_*"),
    "freplace/handler": ("ext", None, "handler", 0, "handler"),
    "lsm.s/bprm_check_security": (
        "lsm",
        "lsm_mac",
        "bpf_lsm_bprm_check_security",
        BPF_F_SLEEPABLE,
        "bprm_check_security",
    ),
    "lsm_cgroup/socket_bind": ("lsm", "lsm_cgroup", "bpf_lsm_socket_bind", 0, "socket_bind"),
    "iter.s/task": ("tracing", "trace_iter", "bpf_iter_task", BPF_F_SLEEPABLE, "task"),
    "syscall": ("syscall", None, None, BPF_F_SLEEPABLE, None),
    "xdp": ("xdp", "xdp", None, 0, None),
    "xdp.frags": ("xdp", "xdp", None, BPF_F_XDP_HAS_FRAGS, None),
    "xdp.frags/devmap": ("xdp", "xdp_devmap", None, BPF_F_XDP_HAS_FRAGS, None),
    "perf_event": ("perf_event", None, None, 0, None),
    "sockops": ("sock_ops", "cgroup_sock_ops", None, 0, None),
    "sk_skb": ("sk_skb", None, None, 0, None),
    "sk_skb/stream_verdict": ("sk_skb", "sk_skb_stream_verdict", None, 0, None),
    "cgroup_skb/egress": ("cgroup_skb", "cgroup_inet_egress", None, 0, None),
    "cgroup/skb": ("cgroup_skb", None, None, 0, None),
    "cgroup/sock": ("cgroup_sock", "cgroup_inet_sock_create", None, 0, None),
    "cgroup/sendmsg4": ("cgroup_sock_addr", "cgroup_udp4_sendmsg", None, 0, None),
    "cgroup/getpeername_unix": ("cgroup_sock_addr", "cgroup_unix_getpeername", None, 0, None),
    "cgroup/dev": ("cgroup_device", "cgroup_device", None, 0, None),
    "struct_ops.s/init": ("struct_ops", None, None, BPF_F_SLEEPABLE, "init"),
    "netfilter": ("netfilter", "netfilter", None, 0, None),
}


@pytest.mark.parametrize("section", FACTS)
def test_a_section_names_its_type_and_what_it_attaches_to(section: str) -> None:
    match = find(section)
    assert match is not None
    assert FACTS[section] == (
        match.type,
        match.expected_attach_type,
        match.attach_btf,
        match.flags,
        match.attach,
    )
    assert match.autoload


def test_every_row_is_found_by_its_own_name_and_has_types_of_the_kernel() -> None:
    for kind in SECTION_KINDS:
        name = kind.pattern.removesuffix("+")
        match = find(name)
        assert match is not None
        assert match.kind is kind
        assert kind.type in PROG_TYPES
        assert kind.expected_attach_type is None or kind.expected_attach_type in ATTACH_TYPES
        if kind.pattern.endswith("+"):
            with_target = find(f"{name}/a/b")
            assert with_target is not None
            assert (with_target.kind, with_target.target) == (kind, "a/b")
    assert len({kind.pattern for kind in SECTION_KINDS}) == len(SECTION_KINDS) == 116


@pytest.mark.parametrize(
    "section",
    [
        "", "?", "/", "text", "kprobe_x", "kprobes", "kprobe.multi_x", "xdp/", "xdp/x", "xdp_drop",
        "tc/x", "classifier/x", "socket1", "cgroup/", "cgroup", "perf_event/x", "XDP", "??xdp",
    ],
)  # fmt: skip
def test_what_libbpf_does_not_match_is_unknown(section: str) -> None:
    assert find(section) is None


def test_a_question_mark_means_not_loaded_unless_asked_for() -> None:
    match = find("?fentry.s/do_unlinkat")
    assert match is not None
    assert not match.autoload
    assert (match.type, match.attach_btf) == ("tracing", "do_unlinkat")


@pytest.mark.parametrize("section", ["fentry", "fentry/", "tp_btf", "lsm", "iter", "freplace"])
def test_a_kind_that_attaches_by_btf_needs_a_target(section: str) -> None:
    match = find(section)
    assert match is not None
    assert match.needs_target
    assert match.attach_btf is None


def test_only_what_libbpf_marks_as_optional_may_lose_its_attach_type() -> None:
    dropped = {kind.pattern for kind in SECTION_KINDS if kind.attach_opt}
    assert {"xdp", "sockops", "cgroup_skb/ingress", "cgroup/sock", "cgroup/dev", "usdt+"} <= dropped
    assert not {"xdp.frags", "xdp/devmap", "cgroup/bind4", "fentry+", "sk_lookup", "netfilter"} & dropped


@pytest.mark.parametrize(
    ("section", "meant"),
    [
        ("kprob/do_unlinkat", "kprobe/do_unlinkat"),
        ("kretporbe/do_unlinkat", "kretprobe/do_unlinkat"),
        ("trace_point/sched/sched_switch", "tracepoint/sched/sched_switch"),
        ("xdp_drop", "xdp"),
        ("tc/x", "tc"),
        ("cgroup/conect4", "cgroup/connect4"),
        ("?fentri/do_unlinkat", "fentry/do_unlinkat"),
    ],
)
def test_an_unknown_section_is_answered_with_the_one_that_was_meant(section: str, meant: str) -> None:
    assert find(section) is None
    assert near(section)[0] == meant
    assert all(find(other) for other in near(section))


def test_nothing_is_near_a_section_that_resembles_none() -> None:
    assert near("xyzzy") == []


# Rows that libbpf 1.1 does not have yet.
NEWER = re.compile(
    r"fsession|fentry\.multi|fexit\.multi|(tp|tp_btf|tracepoint|raw_tp|raw_tracepoint)\.s\+|(k|u)probe\.session"
    r"|u(ret)?probe\.multi|usdt\.s|tcx?/|netkit|netfilter|struct_ops\.s|cgroup/\w+_unix|sk_skb/verdict"
)


def test_the_installed_libbpf_knows_the_same_names() -> None:
    """bpftool opens objects with libbpf, which says which sections it has no type for."""
    functions = "".join(
        f'SEC("{kind.pattern.removesuffix("+")}") int f{number}(void *ctx) {{ return 0; }}\n'
        for number, kind in enumerate(SECTION_KINDS)
    )
    made = compile_bpf(HEADERS + GPL + functions + 'SEC("xyzzy") int unknown(void *ctx) { return 0; }\n')
    said = subprocess.run(
        ["bpftool", "-d", "gen", "skeleton", str(made)], capture_output=True, text=True, check=True
    ).stderr
    assert "prog 'unknown': unrecognized ELF section name" in said
    unknown = re.findall(r"prog 'f(\d+)': unrecognized ELF section name", said)
    assert [pattern for n in unknown if not NEWER.match(pattern := SECTION_KINDS[int(n)].pattern)] == []
