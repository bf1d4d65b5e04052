# SPDX-License-Identifier: Apache-2.0
"""The catalogue's family of calls: helpers, kernel functions and functions, and what they are given."""

from __future__ import annotations

from .entry import ARG, REG, entry

ENTRIES = (
    entry(
        "BPF031",
        "the kernel has no such helper",
        r"^(?:invalid|unknown) func (?!unknown#(?:195896080|200[12]\d{6}|233685214)\b)\S+#\d+",
        "The helper is newer than the kernel; kernels up to 6.1 also say so when the helper exists, and "
        "programs of this type cannot use it.",
        "Use another helper, or guard the call with bpf_core_enum_value_exists(enum bpf_func_id, ...).",
        "environment",
    ),
    entry(
        "BPF032",
        "programs of this type cannot use this helper",
        r"^program of this type cannot use helper \S+#\d+|^helper call is not allowed in probe"
        r"|^func \S+#\d+ (?:supported only for|not supported for program type)",
        "Each type of program, and sometimes each attach type, has helpers of its own.",
        "Use the helper that this type has for it (bpf_xdp_load_bytes() for bpf_skb_load_bytes()), or "
        "another type of program.",
        kernels="6.12 to 7.3",
    ),
    entry(
        "BPF033",
        "the license does not allow this",
        r"^cannot call (?:GPL-restricted|kernel) function from non-GPL compatible program"
        r"|^Cannot access kernel 'struct \S+' from non-GPL"
        r"|^struct ops programs must have a GPL compatible license",
        "Some helpers and all kernel functions are for programs under a license compatible with the GPL, and "
        "the object names none, or another.",
        'char LICENSE[] SEC("license") = "GPL"; (or "Dual BSD/GPL", "Dual MIT/GPL").',
    ),
    entry(
        "BPF034",
        "an argument is not of the kind that the helper takes",
        rf"^{REG} type=(?!\w+_or_null expected=)\S* expected=",
        "The message names the register (R1 is the first argument), what it holds, and what the helper "
        "takes: fp is the stack, scalar a number.",
        "Pass the address of a variable where the helper reads or writes memory, and the map's address where "
        "it takes a map; a constant string has to be const.",
    ),
    entry(
        "BPF042",
        "the arguments of a global function do not match its declaration",
        r"^Caller passes invalid args into func#\d+",
        "A global function is verified by itself, for any arguments that its parameters' types allow; a "
        "caller has to give such. The line before says which argument is wrong.",
        "Pass a pointer to as many bytes as the parameter's type has; or make the function static, which is "
        "verified with each caller.",
    ),
    entry(
        "BPF043",
        "a global function has a parameter that the verifier cannot check",
        # Of a main program it is a remark, and something else follows.
        rf"^{ARG} reference type\('.*'\) size cannot be determined: -?\d+"
        r"(?=\n(?:Caller passes|verification time)|\n?\Z)"
        r"|^Arg#\d+ type .* in \S+\(\) is not supported yet"
        r"|^arg#\d+ (?:has type .* but only struct or primitive types are allowed|type doesn't have a name)",
        "The parameter points to a type whose size is not known (a struct that is only declared, void), so "
        "the verifier cannot say how much may be read.",
        "Define the struct, or make the function static.",
        kernels="6.1 to 7.3",
    ),
    entry(
        "BPF044",
        "a global function does not return a number",
        r"^Global function \S+\(\) (?:doesn't return scalar|return value not void or scalar)",
        "Global functions return int or another number; those before 7.3 may not return void either.",
        "Return int, or make the function static.",
    ),
    entry(
        "BPF045",
        "programs of this type cannot call this kernel function",
        r"^calling kernel function \S+ is not allowed|^kernel function \S+ is not allowed",
        "Kernel functions are registered for certain types of programs.",
        "Call it from a program of a type that has it, or use a helper.",
        kernels="6.1 to 7.3",
    ),
    entry(
        "BPF058",
        "programs of this type have no legacy packet loads",
        r"^BPF_LD_\[ABS\|IND\] instructions not allowed for this program type",
        "load_byte() and its kin (BPF_LD_ABS, BPF_LD_IND) work on a socket buffer, in socket filters and "
        "traffic control only.",
        "Read the packet through data and data_end, or with a helper.",
    ),
    entry(
        "BPF066",
        "the helper does not work with maps of this type",
        r"^cannot pass map_type \d+ into func \S+#\d+|^invalid map_type for "
        r"|^callback function not allowed for map",
        "The number in the message is the map's type (enum bpf_map_type).",
        "Give the map the type that the helper's description names.",
    ),
    entry(
        "BPF067",
        "a function that may sleep is called where the program must not",
        r"^helper call might sleep in a non-sleepable prog|^program must be sleepable to call sleepable kfunc"
        r"|^sleepable helper \S+ in |^kernel func \S+ is sleepable within|^sleepable global function"
        r"|^global functions that may sleep are not allowed in non-sleepable",
        "The program, or the section that the call stands in (RCU, a lock), must not wait.",
        "Use a function that does not wait (bpf_probe_read_user()); or a hook that may sleep "
        '(SEC("fentry.s/..."), "lsm.s/...", "uprobe.s/..."), outside of such sections.',
        kernels="6.12 to 7.3",
    ),
    entry(
        "BPF072",
        "a string has to be a constant in read-only memory",
        rf"^{REG} (?:does not point to a readonly map|is not a constant address)"
        r"|^direct value access on string failed"
        r"|^string is not zero-terminated|^no direct value access support"
        rf"|^{ARG} doesn't point to a const string",
        "The helper's format or string is read when the program is loaded, and must not change afterwards.",
        "Declare it const (static const char or const char at file scope), with its final 0.",
        kernels="6.1 to 7.3",
    ),
    entry(
        "BPF073",
        "a pointer to another kernel struct is expected",
        rf"^{REG} is of type \S+ but \S+ is expected"
        rf"|^kernel function \S+ {ARG.replace('arg', 'args?')} expected pointer to",
        "The argument is a kernel object, and of another type than the function takes.",
        "Pass an object of the type that the message names; look up the hook's arguments in its declaration.",
    ),
    entry(
        "BPF082",
        "the function or tracepoint has fewer arguments",
        r"^func '\S+' doesn't have \d+-th argument",
        "The program reads an argument that its attach target does not have on this kernel.",
        "Look up the target's arguments in this kernel's BTF (bpftool btf dump file "
        "/sys/kernel/btf/vmlinux), and guard what differs between kernels.",
    ),
    entry(
        "BPF084",
        "an argument is not of the kind that the kernel function takes",
        rf"^{ARG} (?:pointer type \S+ \S+ must point to|expects? |expected pointer to|is neither owning"
        r"|doesn't point to"
        rf"|is not a pointer to|memory, len pair leads to invalid)|^{ARG} {ARG} memory, len pair"
        r"|^reg type unsupported for arg#\d+|^kernel function \S+ args#\d+ pointer type"
        r"|^allocated object must be referenced",
        "Kernel functions take kernel objects, the context, or memory of the program's, each in its place; "
        "the argument is something else.",
        "Pass the hook's own pointer or what an acquiring function gave; memory of the program's is for "
        "parameters that point to plain numbers.",
        kernels="6.1 to 7.3",
    ),
)
