# SPDX-License-Identifier: Apache-2.0
"""Sources whose BTF has a bit of everything, for the tests."""

from bpf_objects import HEADERS

# Data in every section, of every linkage and visibility; floats, tags, bit-fields; maps; callbacks.
DATA = f"""{HEADERS}
struct nested {{
	int deep[3][5];
	struct {{ unsigned low : 3; signed high : 5; }};
	union {{ long l; void *p; }};
}};
enum colour {{ RED, GREEN = 7, BLUE = -1 }};
typedef const volatile struct nested *view_t;
struct {{
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, int);
	__type(value, struct nested);
}} seen SEC(".maps");
int counter = 3;
static volatile int private_counter = 4;
__attribute__((visibility("hidden"))) long hidden = 5;
__weak int weak_one = 6;
double ratio = 0.5;
__u64 zeroed __attribute__((btf_decl_tag("of a variable")));
static volatile char private_zeroed[3];
const volatile int limit = 9;
const volatile enum colour chosen = GREEN;
view_t view;
int own SEC(".data.own") = 1;
char LICENSE[] SEC("license") = "GPL";

static __noinline int twice(int a) {{ asm volatile("" : "+r"(a)); return a * 2; }}
__noinline __hidden int hidden_sum(int a, int b) {{ asm volatile("" : "+r"(a)); return a + b; }}
__noinline int shared(int a) {{ asm volatile("" : "+r"(a)); return twice(a) + 1; }}

SEC("tc")
int prog(struct __sk_buff *ctx) {{
	int key = 0;

	if (bpf_map_lookup_elem(&seen, &key))
		counter += own + private_counter + private_zeroed[limit & 1] + chosen;
	zeroed += hidden + weak_one;
	return shared(ctx->len) + hidden_sum(1, 2);
}}
"""

# Externs: variables of the configuration in an order that is not their final one, functions with and
# without names for their parameters, variables of the kernel.
EXTERNS = f"""{HEADERS}
struct task_struct;
extern _Bool CONFIG_BPF_SYSCALL __kconfig __weak;
extern int LINUX_KERNEL_VERSION __kconfig;
extern char CONFIG_CC_VERSION_TEXT[100] __kconfig __weak;
extern unsigned long CONFIG_HZ __kconfig __weak;
extern char CONFIG_A __kconfig __weak;
extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;
extern int bpf_made_up_kfunc(int, struct task_struct *) __ksym __weak;
extern const int made_up_variable __ksym __weak;
extern const void bpf_prog_put __ksym;
char LICENSE[] SEC("license") = "GPL";

SEC("tc")
int prog(struct __sk_buff *ctx) {{
	bpf_rcu_read_lock();
	bpf_rcu_read_unlock();
	if (bpf_made_up_kfunc)
		return bpf_made_up_kfunc(1, 0);
	if (&made_up_variable)
		return made_up_variable;
	return LINUX_KERNEL_VERSION + CONFIG_BPF_SYSCALL + CONFIG_HZ + CONFIG_A + CONFIG_CC_VERSION_TEXT[1]
		+ (int)(long)&bpf_prog_put;
}}
"""

# CO-RE records of every kind, against types that no kernel has to have.
CORE = f"""{HEADERS}
#include <bpf/bpf_core_read.h>
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct inner {{ int first; char name[16]; }};
struct outer {{ long id; struct inner in; struct {{ int lost; struct inner more[4]; }}; unsigned flag : 3; }};
typedef struct {{ int unnamed_first; }} only_typedef_t;
#pragma clang attribute pop
enum verdict {{ NO, YES = 5 }};
char LICENSE[] SEC("license") = "GPL";

SEC("tracepoint/syscalls/sys_enter_execve")
int prog(struct outer *o) {{
	only_typedef_t *t = (void *)o;
	int sum = 0;

	sum += o->in.first;
	sum += o->in.name[3];
	sum += o->more[2].name[1];
	sum += o[3].lost;
	sum += t->unnamed_first;
	sum += bpf_core_field_size(o->in.name);
	sum += bpf_core_field_exists(o->in);
	sum += BPF_CORE_READ_BITFIELD(o, flag);
	sum += bpf_core_type_exists(struct inner);
	sum += bpf_core_type_size(struct outer);
	sum += bpf_core_type_id_local(struct inner);
	sum += bpf_core_type_id_kernel(only_typedef_t);
	sum += bpf_core_enum_value(enum verdict, YES);
	sum += bpf_core_enum_value_exists(enum verdict, NO);
	return sum;
}}
"""
