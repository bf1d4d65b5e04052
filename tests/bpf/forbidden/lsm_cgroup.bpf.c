// SPDX-License-Identifier: GPL-2.0
/* lsm_cgroup: an LSM hook for the processes of a cgroup. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

SEC("lsm_cgroup/socket_bind") int BPF_PROG(binds, struct socket *sock) { return 1; }

char LICENSE[] SEC("license") = "GPL";
