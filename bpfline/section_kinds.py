# SPDX-License-Identifier: Apache-2.0
"""SEC() names: what kind of program stands in a section of that name.

The rows are those of libbpf's section_defs (src/libbpf.c), in its order. The names of types and attach
types are those of linux/bpf.h, in lower case and without their prefix: "kprobe" is
BPF_PROG_TYPE_KPROBE, "trace_fentry" is BPF_TRACE_FENTRY.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

# prog_flags, linux/bpf.h
BPF_F_SLEEPABLE = 1 << 4
BPF_F_XDP_HAS_FRAGS = 1 << 5


@dataclass(frozen=True)
class SectionKind:
    """pattern: the section's name; with "+", "/TARGET" may follow it.

    attach_btf: what stands before the target in the name of the kernel type that the program attaches
    to (btf_get_kernel_prefix_kind in libbpf), None for a kind that attaches by other means.
    attach_opt: the attach type may be left out where the kernel does not know it.
    """

    pattern: str
    type: str
    expected_attach_type: str | None = None
    attach_btf: str | None = None
    sleepable: bool = False
    frags: bool = False
    attach_opt: bool = False


# fmt: off
SECTION_KINDS = (
    SectionKind("socket", "socket_filter"),
    SectionKind("sk_reuseport/migrate", "sk_reuseport", "sk_reuseport_select_or_migrate"),
    SectionKind("sk_reuseport", "sk_reuseport", "sk_reuseport_select"),
    SectionKind("kprobe+", "kprobe"),
    SectionKind("uprobe+", "kprobe"),
    SectionKind("uprobe.s+", "kprobe", sleepable=True),
    SectionKind("kretprobe+", "kprobe"),
    SectionKind("uretprobe+", "kprobe"),
    SectionKind("uretprobe.s+", "kprobe", sleepable=True),
    SectionKind("kprobe.multi+", "kprobe", "trace_kprobe_multi"),
    SectionKind("kretprobe.multi+", "kprobe", "trace_kprobe_multi"),
    SectionKind("kprobe.session+", "kprobe", "trace_kprobe_session"),
    SectionKind("uprobe.multi+", "kprobe", "trace_uprobe_multi"),
    SectionKind("uretprobe.multi+", "kprobe", "trace_uprobe_multi"),
    SectionKind("uprobe.session+", "kprobe", "trace_uprobe_session"),
    SectionKind("uprobe.multi.s+", "kprobe", "trace_uprobe_multi", sleepable=True),
    SectionKind("uretprobe.multi.s+", "kprobe", "trace_uprobe_multi", sleepable=True),
    SectionKind("uprobe.session.s+", "kprobe", "trace_uprobe_session", sleepable=True),
    SectionKind("ksyscall+", "kprobe"),
    SectionKind("kretsyscall+", "kprobe"),
    # libbpf asks for this attach type where the kernel has links for it (SEC_USDT).
    SectionKind("usdt+", "kprobe", "trace_uprobe_multi", attach_opt=True),
    SectionKind("usdt.s+", "kprobe", "trace_uprobe_multi", sleepable=True, attach_opt=True),
    SectionKind("tc/ingress", "sched_cls", "tcx_ingress"),
    SectionKind("tc/egress", "sched_cls", "tcx_egress"),
    SectionKind("tcx/ingress", "sched_cls", "tcx_ingress"),
    SectionKind("tcx/egress", "sched_cls", "tcx_egress"),
    SectionKind("tc", "sched_cls"),
    SectionKind("classifier", "sched_cls"),
    SectionKind("action", "sched_act"),
    SectionKind("netkit/primary", "sched_cls", "netkit_primary"),
    SectionKind("netkit/peer", "sched_cls", "netkit_peer"),
    SectionKind("tracepoint+", "tracepoint"),
    SectionKind("tp+", "tracepoint"),
    SectionKind("tracepoint.s+", "tracepoint", sleepable=True),
    SectionKind("tp.s+", "tracepoint", sleepable=True),
    SectionKind("raw_tracepoint+", "raw_tracepoint"),
    SectionKind("raw_tp+", "raw_tracepoint"),
    SectionKind("raw_tracepoint.s+", "raw_tracepoint", sleepable=True),
    SectionKind("raw_tp.s+", "raw_tracepoint", sleepable=True),
    SectionKind("raw_tracepoint.w+", "raw_tracepoint_writable"),
    SectionKind("raw_tp.w+", "raw_tracepoint_writable"),
    SectionKind("tp_btf+", "tracing", "trace_raw_tp", attach_btf="btf_trace_"),
    SectionKind("tp_btf.s+", "tracing", "trace_raw_tp", attach_btf="btf_trace_", sleepable=True),
    SectionKind("fentry+", "tracing", "trace_fentry", attach_btf=""),
    SectionKind("fmod_ret+", "tracing", "modify_return", attach_btf=""),
    SectionKind("fexit+", "tracing", "trace_fexit", attach_btf=""),
    SectionKind("fentry.s+", "tracing", "trace_fentry", attach_btf="", sleepable=True),
    SectionKind("fmod_ret.s+", "tracing", "modify_return", attach_btf="", sleepable=True),
    SectionKind("fexit.s+", "tracing", "trace_fexit", attach_btf="", sleepable=True),
    SectionKind("fsession+", "tracing", "trace_fsession", attach_btf=""),
    SectionKind("fsession.s+", "tracing", "trace_fsession", attach_btf="", sleepable=True),
    SectionKind("fsession.multi+", "tracing", "trace_fsession_multi"),
    SectionKind("fsession.multi.s+", "tracing", "trace_fsession_multi", sleepable=True),
    SectionKind("fentry.multi+", "tracing", "trace_fentry_multi"),
    SectionKind("fexit.multi+", "tracing", "trace_fexit_multi"),
    SectionKind("fentry.multi.s+", "tracing", "trace_fentry_multi", sleepable=True),
    SectionKind("fexit.multi.s+", "tracing", "trace_fexit_multi", sleepable=True),
    SectionKind("freplace+", "ext", attach_btf=""),
    SectionKind("lsm+", "lsm", "lsm_mac", attach_btf="bpf_lsm_"),
    SectionKind("lsm.s+", "lsm", "lsm_mac", attach_btf="bpf_lsm_", sleepable=True),
    SectionKind("lsm_cgroup+", "lsm", "lsm_cgroup", attach_btf="bpf_lsm_"),
    SectionKind("iter+", "tracing", "trace_iter", attach_btf="bpf_iter_"),
    SectionKind("iter.s+", "tracing", "trace_iter", attach_btf="bpf_iter_", sleepable=True),
    SectionKind("syscall", "syscall", sleepable=True),
    SectionKind("xdp.frags/devmap", "xdp", "xdp_devmap", frags=True),
    SectionKind("xdp/devmap", "xdp", "xdp_devmap"),
    SectionKind("xdp.frags/cpumap", "xdp", "xdp_cpumap", frags=True),
    SectionKind("xdp/cpumap", "xdp", "xdp_cpumap"),
    SectionKind("xdp.frags", "xdp", "xdp", frags=True),
    SectionKind("xdp", "xdp", "xdp", attach_opt=True),
    SectionKind("perf_event", "perf_event"),
    SectionKind("lwt_in", "lwt_in"),
    SectionKind("lwt_out", "lwt_out"),
    SectionKind("lwt_xmit", "lwt_xmit"),
    SectionKind("lwt_seg6local", "lwt_seg6local"),
    SectionKind("sockops", "sock_ops", "cgroup_sock_ops", attach_opt=True),
    SectionKind("sk_skb/stream_parser", "sk_skb", "sk_skb_stream_parser", attach_opt=True),
    SectionKind("sk_skb/stream_verdict", "sk_skb", "sk_skb_stream_verdict", attach_opt=True),
    SectionKind("sk_skb/verdict", "sk_skb", "sk_skb_verdict", attach_opt=True),
    SectionKind("sk_skb", "sk_skb"),
    SectionKind("sk_msg", "sk_msg", "sk_msg_verdict", attach_opt=True),
    SectionKind("lirc_mode2", "lirc_mode2", "lirc_mode2", attach_opt=True),
    SectionKind("flow_dissector", "flow_dissector", "flow_dissector", attach_opt=True),
    SectionKind("cgroup_skb/ingress", "cgroup_skb", "cgroup_inet_ingress", attach_opt=True),
    SectionKind("cgroup_skb/egress", "cgroup_skb", "cgroup_inet_egress", attach_opt=True),
    SectionKind("cgroup/skb", "cgroup_skb"),
    SectionKind("cgroup/sock_create", "cgroup_sock", "cgroup_inet_sock_create"),
    SectionKind("cgroup/sock_release", "cgroup_sock", "cgroup_inet_sock_release"),
    SectionKind("cgroup/sock", "cgroup_sock", "cgroup_inet_sock_create", attach_opt=True),
    SectionKind("cgroup/post_bind4", "cgroup_sock", "cgroup_inet4_post_bind"),
    SectionKind("cgroup/post_bind6", "cgroup_sock", "cgroup_inet6_post_bind"),
    SectionKind("cgroup/bind4", "cgroup_sock_addr", "cgroup_inet4_bind"),
    SectionKind("cgroup/bind6", "cgroup_sock_addr", "cgroup_inet6_bind"),
    SectionKind("cgroup/connect4", "cgroup_sock_addr", "cgroup_inet4_connect"),
    SectionKind("cgroup/connect6", "cgroup_sock_addr", "cgroup_inet6_connect"),
    SectionKind("cgroup/connect_unix", "cgroup_sock_addr", "cgroup_unix_connect"),
    SectionKind("cgroup/sendmsg4", "cgroup_sock_addr", "cgroup_udp4_sendmsg"),
    SectionKind("cgroup/sendmsg6", "cgroup_sock_addr", "cgroup_udp6_sendmsg"),
    SectionKind("cgroup/sendmsg_unix", "cgroup_sock_addr", "cgroup_unix_sendmsg"),
    SectionKind("cgroup/recvmsg4", "cgroup_sock_addr", "cgroup_udp4_recvmsg"),
    SectionKind("cgroup/recvmsg6", "cgroup_sock_addr", "cgroup_udp6_recvmsg"),
    SectionKind("cgroup/recvmsg_unix", "cgroup_sock_addr", "cgroup_unix_recvmsg"),
    SectionKind("cgroup/getpeername4", "cgroup_sock_addr", "cgroup_inet4_getpeername"),
    SectionKind("cgroup/getpeername6", "cgroup_sock_addr", "cgroup_inet6_getpeername"),
    SectionKind("cgroup/getpeername_unix", "cgroup_sock_addr", "cgroup_unix_getpeername"),
    SectionKind("cgroup/getsockname4", "cgroup_sock_addr", "cgroup_inet4_getsockname"),
    SectionKind("cgroup/getsockname6", "cgroup_sock_addr", "cgroup_inet6_getsockname"),
    SectionKind("cgroup/getsockname_unix", "cgroup_sock_addr", "cgroup_unix_getsockname"),
    SectionKind("cgroup/sysctl", "cgroup_sysctl", "cgroup_sysctl"),
    SectionKind("cgroup/getsockopt", "cgroup_sockopt", "cgroup_getsockopt"),
    SectionKind("cgroup/setsockopt", "cgroup_sockopt", "cgroup_setsockopt"),
    SectionKind("cgroup/dev", "cgroup_device", "cgroup_device", attach_opt=True),
    SectionKind("struct_ops+", "struct_ops"),
    SectionKind("struct_ops.s+", "struct_ops", sleepable=True),
    SectionKind("sk_lookup", "sk_lookup", "sk_lookup"),
    SectionKind("netfilter", "netfilter", "netfilter"),
)
# fmt: on


@dataclass(frozen=True)
class Match:
    """A section's kind and what else its name says, in the words of bundle.Program.

    target: what follows the slash, None where nothing does. autoload: False for SEC("?...").
    """

    kind: SectionKind
    target: str | None
    autoload: bool

    @property
    def type(self) -> str:
        return self.kind.type

    @property
    def expected_attach_type(self) -> str | None:
        return self.kind.expected_attach_type

    @property
    def attach(self) -> str | None:
        return self.target

    @property
    def attach_btf(self) -> str | None:
        """The name of the kernel type; None also where the section leaves the target open."""
        if self.kind.attach_btf is None or self.target is None:
            return None
        return self.kind.attach_btf + self.target

    @property
    def needs_target(self) -> bool:
        """The program cannot be loaded until somebody says what it attaches to, as SEC("fentry")."""
        return self.kind.attach_btf is not None and self.target is None

    @property
    def flags(self) -> int:
        return BPF_F_SLEEPABLE * self.kind.sleepable | BPF_F_XDP_HAS_FRAGS * self.kind.frags

    @property
    def drop_attach_type(self) -> bool:
        return self.kind.attach_opt


_WITH_TARGET = {kind.pattern[:-1]: kind for kind in SECTION_KINDS if kind.pattern.endswith("+")}
_EXACT = {kind.pattern: kind for kind in SECTION_KINDS if not kind.pattern.endswith("+")}


def find(section: str) -> Match | None:
    """What SEC(section) means, None for a name that libbpf does not know.

    As libbpf's sec_def_matches: a name without "+" matches as a whole, one with "+" alone or before a
    slash.
    """
    name = section.removeprefix("?")
    autoload = name == section
    if name in _EXACT:
        return Match(_EXACT[name], None, autoload)
    base, _, target = name.partition("/")
    if base in _WITH_TARGET:
        return Match(_WITH_TARGET[base], target or None, autoload)
    return None


def near(section: str) -> list[str]:
    """The known sections that an unknown one may have been meant to be, the likeliest first.

    Before libbpf 1.0 anything could follow a name that now stands alone (SEC("xdp_drop"), SEC("tc/x")),
    so the longest such name comes first.
    """
    name = section.removeprefix("?")
    _, slash, target = name.partition("/")
    known = [*_EXACT, *(base + slash + target for base in _WITH_TARGET)]
    older = max((base for base in _EXACT if name.startswith(base)), key=len, default=None)
    likely = difflib.get_close_matches(name, known, n=3)
    return list(dict.fromkeys([older, *likely] if older else likely))[:3]
