# SPDX-License-Identifier: Apache-2.0
"""The catalogue's family of pointers: what a register holds, and whether it can be NULL."""

from __future__ import annotations

from .entry import ARG, REG, entry

ENTRIES = (
    entry(
        "BPF001",
        "a value is used that was never set",
        rf"^{REG} !read_ok$",
        "On this path nothing was written to the register, or a call made it invalid (a call leaves only "
        "R0 and R6 to R9).",
        "Initialise the variable where it is declared, and return a value on every path.",
    ),
    entry(
        "BPF002",
        "a plain number is used as an address",
        rf"^{REG} invalid mem access '(?:inv|scalar)'",
        "What is read or written was computed, came from a helper or a kernel struct as a number, or was a "
        "pointer until a call or a release made it invalid.",
        "Read kernel memory with bpf_probe_read_kernel() or BPF_CORE_READ(); fetch packet pointers anew "
        "after a helper that may change the packet; do not use memory after it was submitted or released.",
    ),
    entry(
        "BPF003",
        "the result of a map lookup is not checked for NULL",
        rf"^{REG} invalid mem access 'map_value_or_null'",
        "A lookup gives NULL where the map has no such key, and no check stands before the access.",
        "Return, or take another way, when the pointer is NULL.",
    ),
    entry(
        "BPF004",
        "a pointer that may be NULL is used without a check",
        rf"^{REG} invalid mem access '(?!map_value_or_null)\w*_or_null'",
        "The helper that gave the pointer may fail, and no check stands before the access.",
        "Check the pointer for NULL right after the call, and release what it points to on the other path.",
    ),
    entry(
        "BPF005",
        "an offset is added to a pointer before it is checked for NULL",
        rf"^{REG} pointer arithmetic on \w+_or_null prohibited, null-check it first",
        "The address of a member or an element is taken of a pointer that may be NULL; the check comes later "
        "or not at all.",
        "Check the pointer itself first, and take addresses from it afterwards.",
    ),
    entry(
        "BPF007",
        "data_end is computed with",
        rf"^{REG} pointer arithmetic on pkt_end prohibited",
        "data_end, or a copy of it, is the base of a sum: the verifier keeps it for comparisons only.",
        "Count from data, and compare with data_end.",
    ),
    entry(
        "BPF036",
        "a pointer into the context is read from",
        rf"^dereference of modified \w+ ptr {REG} off=-?\d+ disallowed",
        "The context's address had a constant added to it before the access: the address of a member was "
        "passed on, or clang shares it between two accesses. Only the original pointer can be used.",
        "Pass the context itself and name the member where it is read; where clang makes the sum, put "
        'asm volatile("" ::: "memory") or a read through a volatile pointer between the accesses.',
    ),
    entry(
        "BPF039",
        "an operation that pointers do not have is done on a pointer",
        rf"^{REG} (?:bitwise operator \S+ on pointer|pointer arithmetic with \S+ operator|pointer \S+ pointer"
        rf"|subtraction from stack pointer) prohibited|^{REG} tried to subtract pointer from scalar"
        rf"|^{REG} pointer (?:arithmetic|comparison) prohibited|^{REG} sign-extension part of pointer",
        "A pointer is masked, shifted, multiplied or added to another pointer: the verifier could not tell "
        "any more where it points.",
        "Do the arithmetic on an offset, and add the offset to the pointer at the end.",
    ),
    entry(
        "BPF040",
        "a kernel address would leave the kernel",
        rf"^{REG} leaks addr (?:into|as)|^leaking pointer from stack off",
        "A pointer is stored in a map or a packet, returned, or handed to a helper as a number, by a program "
        "that was loaded without CAP_PERFMON.",
        "Store a number that is no address; or load the program with CAP_PERFMON.",
    ),
    entry(
        "BPF046",
        "a pointer that may be NULL is passed on",
        rf"^Possibly NULL pointer passed to (?:trusted|helper) |^{REG} type=\w+_or_null expected="
        rf"|^{ARG} is expected to be non-NULL",
        "The function takes no NULL, and what it is given may be NULL: no check stands before the call.",
        "Check the pointer for NULL before the call.",
    ),
    entry(
        "BPF047",
        "a kernel object is not known to be alive",
        rf"^{REG} must be (?:referenced or trusted|referenced|a rcu pointer)$|^expected an RCU CS when using",
        "The pointer was read out of another kernel struct, or kept after its RCU section ended: the object "
        "may be gone.",
        "Use the pointer that the hook gives; or acquire the object (bpf_task_acquire() and the like), "
        "inside bpf_rcu_read_lock() where the pointer is protected by RCU.",
        kernels="6.1 to 7.3",
    ),
    entry(
        "BPF054",
        "one instruction would access two kinds of memory",
        r"^same insn cannot be used with (?:different pointers|and without arena pointer)",
        "Two paths with different pointers (the context on one, the stack or a map's value on the other) "
        "come together before one access; the kernel rewrites the access for one kind only.",
        "Access each kind of memory in its own branch, and join the results instead of the pointers.",
    ),
    entry(
        "BPF075",
        "a pointer is kept in 32 bits",
        rf"^{REG} 32-bit pointer arithmetic prohibited|^{REG} partial copy of pointer",
        "data and data_end of the context look like 32-bit numbers, and are computed with as such: half of "
        "the address would be lost.",
        "Cast each to a pointer as soon as it is read: (void *)(long)ctx->data.",
    ),
    entry(
        "BPF078",
        "memory is accessed through a pointer that does not allow it",
        rf"^{REG} invalid mem access '(?!inv'|scalar'|\w+_or_null')",
        "The register holds a pointer of the kind that the message names, which marks a place or a kernel "
        "object and cannot be read through.",
        "Read through the pointer to the memory itself: data for packets, a lookup's result for maps.",
    ),
    entry(
        "BPF079",
        "an offset is added to a pointer that takes none",
        rf"^{REG} pointer arithmetic on (?!pkt_end)(?!\w+_or_null)\w+ prohibited",
        "Pointers to a map, to a socket and the like stand for the whole object: the verifier keeps no "
        "offset into them.",
        "Ask for the part with a helper (bpf_map_lookup_elem() for a map's value).",
    ),
)
