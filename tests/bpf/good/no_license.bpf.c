// SPDX-License-Identifier: GPL-2.0
/* No license: what needs none loads. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp") int pass(struct xdp_md *ctx) { return XDP_PASS; }
