// SPDX-License-Identifier: GPL-2.0
/* Externs of .kconfig: values that only the running kernel knows. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern int LINUX_KERNEL_VERSION __kconfig;
extern unsigned long CONFIG_HZ __kconfig __attribute__((weak));
extern enum libbpf_tristate CONFIG_BPF_SYSCALL __kconfig __attribute__((weak));
extern _Bool CONFIG_MADE_UP __kconfig __attribute__((weak));
SEC("tc")
int configured(struct __sk_buff *ctx)
{
	if (LINUX_KERNEL_VERSION < 0x040000 || CONFIG_MADE_UP)
		return 1;
	return CONFIG_BPF_SYSCALL + CONFIG_HZ;
}

char LICENSE[] SEC("license") = "GPL";
