// SPDX-License-Identifier: GPL-2.0
/* struct_ops: a TCP congestion control of our own. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

SEC("struct_ops/init") void BPF_PROG(bpfline_init, struct sock *sk) {}
SEC("struct_ops/ssthresh") __u32 BPF_PROG(bpfline_ssthresh, struct sock *sk) { return 2; }
SEC("struct_ops/cong_avoid") void BPF_PROG(bpfline_cong_avoid, struct sock *sk, __u32 ack, __u32 acked) {}
SEC("struct_ops/undo_cwnd") __u32 BPF_PROG(bpfline_undo_cwnd, struct sock *sk) { return 10; }
SEC(".struct_ops") struct tcp_congestion_ops bpfline_cc = {
	.init = (void *)bpfline_init, .ssthresh = (void *)bpfline_ssthresh,
	.cong_avoid = (void *)bpfline_cong_avoid, .undo_cwnd = (void *)bpfline_undo_cwnd, .name = "bpf_line",
};

char LICENSE[] SEC("license") = "GPL";
