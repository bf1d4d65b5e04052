// SPDX-License-Identifier: GPL-2.0
/* The program types that hang on a cgroup. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("cgroup_skb/ingress") int on_ingress(struct __sk_buff *ctx) { return 1; }
SEC("cgroup/skb") int on_skb(struct __sk_buff *ctx) { return 1; }
SEC("cgroup/sock_create") int on_sock_create(struct bpf_sock *ctx) { return 1; }
SEC("cgroup/sock_release") int on_sock_release(struct bpf_sock *ctx) { return 1; }
SEC("cgroup/post_bind4") int on_post_bind4(struct bpf_sock *ctx) { return 1; }
SEC("cgroup/bind4") int on_bind4(struct bpf_sock_addr *ctx) { return 1; }
SEC("cgroup/connect6") int on_connect6(struct bpf_sock_addr *ctx) { return 1; }
SEC("cgroup/sendmsg4") int on_sendmsg4(struct bpf_sock_addr *ctx) { return 1; }
SEC("cgroup/recvmsg6") int on_recvmsg6(struct bpf_sock_addr *ctx) { return 1; }
SEC("cgroup/getsockopt") int on_getsockopt(struct bpf_sockopt *ctx) { return 1; }
SEC("cgroup/setsockopt") int on_setsockopt(struct bpf_sockopt *ctx) { return 1; }
SEC("cgroup/sysctl") int on_sysctl(struct bpf_sysctl *ctx) { return 1; }
SEC("cgroup/dev") int on_dev(struct bpf_cgroup_dev_ctx *ctx) { return 1; }
SEC("sockops") int on_sockops(struct bpf_sock_ops *ctx) { return 1; }

char LICENSE[] SEC("license") = "GPL";
