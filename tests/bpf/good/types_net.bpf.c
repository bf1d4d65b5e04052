// SPDX-License-Identifier: GPL-2.0
/* The program types of networking, several programs in one section among them. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp") int on_xdp_pass(struct xdp_md *ctx) { return XDP_PASS; }
SEC("xdp") int on_xdp_drop(struct xdp_md *ctx) { return XDP_DROP; }
SEC("xdp.frags") int on_xdp_frags(struct xdp_md *ctx) { return XDP_PASS; }
SEC("xdp.frags/devmap") int on_xdp_devmap(struct xdp_md *ctx) { return XDP_PASS; }
SEC("xdp/cpumap") int on_xdp_cpumap(struct xdp_md *ctx) { return XDP_PASS; }
SEC("tc") int on_tc(struct __sk_buff *ctx) { return ctx->len > 100; }
SEC("classifier") int on_classifier(struct __sk_buff *ctx) { return 0; }
SEC("action") int on_action(struct __sk_buff *ctx) { return 0; }
SEC("socket") int on_socket(struct __sk_buff *ctx) { return 0; }
SEC("lwt_in") int on_lwt_in(struct __sk_buff *ctx) { return 0; }
SEC("lwt_xmit") int on_lwt_xmit(struct __sk_buff *ctx) { return 0; }
SEC("sk_skb/stream_parser") int on_parser(struct __sk_buff *ctx) { return ctx->len; }
SEC("sk_skb/stream_verdict") int on_verdict(struct __sk_buff *ctx) { return SK_PASS; }
SEC("sk_msg") int on_sk_msg(struct sk_msg_md *ctx) { return SK_PASS; }
SEC("sk_lookup") int on_sk_lookup(struct bpf_sk_lookup *ctx) { return SK_PASS; }
SEC("sk_reuseport") int on_sk_reuseport(struct sk_reuseport_md *ctx) { return SK_PASS; }
SEC("flow_dissector") int on_dissector(struct __sk_buff *ctx) { return BPF_OK; }

char LICENSE[] SEC("license") = "GPL";
