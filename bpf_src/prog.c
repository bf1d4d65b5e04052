// SPDX-License-Identifier: GPL-2.0
/* Says "Hi!" in the kernel's trace buffer each time somebody executes a program.
 *
 * The function has no section of its own, so it lands in .text; what it is (a tracepoint program
 * on syscalls/sys_enter_execve) stands in pyproject.toml. Change the text and type ./doit run again.
 */
#include <linux/bpf.h>

/* A helper is called by its number: the address of the function is BPF_FUNC_trace_printk. */
static long (*const bpf_trace_printk)(const char *fmt, unsigned int fmt_size, ...) =
	(void *)BPF_FUNC_trace_printk;

int prog(void *ctx)
{
	char text[] = "Hi! A program was executed.\n";

	bpf_trace_printk(text, sizeof(text));
	return 0;
}
