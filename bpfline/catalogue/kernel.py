# SPDX-License-Identifier: Apache-2.0
"""The catalogue's family of the kernel: what this kernel or machine lacks for the object."""

from __future__ import annotations

from .entry import entry

ENTRIES = (
    entry(
        "BPF051",
        "the function or tracepoint to attach to is not in this kernel",
        r"^attach_btf_id \d+ (?:is not a (?:function|typedef)|doesn't have a name"
        r"|points to wrong type name|is invalid)"
        r"|failed to find kernel BTF type ID of |^this kernel has no \S+ \S+ to attach to"
        r"|^The address of function \S+ cannot be found",
        "This kernel was built without it, has it under another name, or its compiler inlined it.",
        'Attach to a function that all your kernels have; or make the program optional (SEC("?fentry/...")).',
        "environment",
    ),
    entry(
        "BPF052",
        "the object has no, or other, information on its functions",
        r"^missing btf func_info|^number of funcs in func_info doesn't match number of subprogs"
        r"|^func_info BTF section doesn't match|^Global functions need valid BTF|^(?:LD_ABS"
        r"|tail_call) is not allowed in "
        r"subprogs without BTF|^missing bpf_line_info for|^invalid (?:type id \d+ in func info"
        r"|func info rec size)",
        "Global functions, callbacks and some other features need .BTF and .BTF.ext, which clang writes "
        "with -g and strip removes.",
        "Build with -g, and strip with llvm-strip -g only, which keeps .BTF.",
        "environment",
    ),
    entry(
        "BPF053",
        "an instruction names a map that does not exist",
        r"^fd -?\d+ is not pointing to valid bpf_map|^invalid map_fd |<invalid BPF map reference>"
        r"|^BPF map '.*' is referenced but wasn't created|^(?:invalid|unknown) func unknown#2001\d{6}\b",
        "The loader left an instruction that loads a map's address without a map: it did not relocate it, "
        "was told not to create the map, or could not (.rodata for a string, for one).",
        "Let the loader create the map; for .rodata, .data and .bss take one that does (libbpf 0.1 or later, "
        "bpfline).",
        "environment",
        without_example="it is the loader that leaves such an instruction, and bpfline's does not; the tests "
        "load one made by hand",
    ),
    entry(
        "BPF055",
        "the kernel's JIT compiler cannot do this",
        r"^JIT (?:doesn't support|does not support|is required for) "
        r"|^(?:calling kernel functions|tail_calls|callbacks|stack args) are not (?:allowed"
        r"|supported) in non-JITed"
        r"|^program requires BPF JIT compiler|^Private stack not supported by jit",
        "The JIT of this architecture or kernel lacks the feature, or it is switched off and the interpreter "
        "cannot do it.",
        "Switch the JIT on (sysctl net.core.bpf_jit_enable=1); else do without: inline the function.",
        "environment",
        without_example="it depends on the processor and on whether the kernel has a JIT compiler",
    ),
    entry(
        "BPF056",
        "the kernel does not know an instruction",
        r"^unknown opcode [0-9a-f]{2}",
        "clang built for a newer processor than this kernel knows: -mcpu=v3 needs 5.1, v4 needs 6.6. Or a "
        "call through a pointer is left (opcode 8d), because the object was built without -O2.",
        "Build with -O2 and a lower -mcpu for old kernels (v1 and v2 always work).",
        "compiler",
    ),
    entry(
        "BPF059",
        "no privilege to load this program",
        r"(?:access is allowed only to CAP_PERFMON|are allowed for CAP_BPF) and CAP_SYS_ADMIN"
        r"|^CAP_BPF and CAP_PERFMON are required|require CAP_SYS_BOOT capability|: Operation not permitted\b",
        "EPERM: the process lacks CAP_BPF, CAP_PERFMON or CAP_NET_ADMIN; or the kernel is locked down, a "
        "container forbids bpf(2), or before Linux 5.11 the limit on locked memory is too low.",
        "Run as root or with these capabilities; ulimit -l unlimited on kernels before 5.11. bpfline "
        "doctor says what this machine lacks.",
        "environment",
        without_example="the privileges of who loads it decide; the tests load a program without any",
    ),
    entry(
        "BPF060",
        "the log did not fit into its buffer",
        r": No space left on device\b",
        "ENOSPC: the verifier had more to say than the buffer holds. The program itself may be right.",
        "Load again with a larger buffer, or at log level 4 or 0; bpfline does so by itself.",
        "environment",
        without_example="the size of the loader's buffer decides; the tests load with a small one",
    ),
    entry(
        "BPF061",
        "the program has more instructions than the kernel takes",
        r": Argument list too long\b",
        "E2BIG without a log: 1,000,000 instructions with CAP_BPF, 4,096 without. (With a log it is the "
        "verifier's work that is too much: BPF022.)",
        "Unroll less, and split the program with tail calls.",
        "limit",
        without_example="a source of a million instructions takes minutes to compile; the tests make one",
    ),
    entry(
        "BPF076",
        "the kernel's struct lacks what CO-RE was asked for",
        r"^(?:invalid|unknown) func unknown#195896080|<invalid CO-RE relocation>"
        r"|^this kernel's \w+ \S+ has no "
        r"|^failed to resolve CO-RE relocation",
        "A member, type or enumerator that the program uses is not in this kernel; the loader put an invalid "
        "instruction in its place, and the verifier reached it.",
        "Ask first with bpf_core_field_exists(), bpf_core_type_exists() or bpf_core_enum_value_exists().",
        "environment",
    ),
    entry(
        "BPF086",
        "a sleepable program uses a map that does not work with it, or cannot be sleepable",
        r"^Sleepable programs can only use |^Only fentry/fexit/fmod_ret.* programs can be sleepable"
        r"|^(?:Syscall programs can only be|Program of this type cannot be) sleepable|^\S+ is not sleepable",
        "Programs that may sleep work with some types of maps and at some hooks only.",
        "Use an array, hash, ring buffer or local storage map there; or a hook that does not sleep.",
    ),
    entry(
        "BPF087",
        "the kernel has no such kernel function or variable",
        r"^kernel (?:function )?btf_id -?\d+ |^failed to find BTF for kernel function"
        r"|<invalid kfunc call>|^kfunc '.*' is referenced but wasn't resolved"
        r"|^(?:invalid|unknown) func unknown#(?:2002\d{6}|233685214)\b"
        r"|^cannot find address for kernel function|^ldimm64 failed to find the address for kernel symbol"
        r"|^calling kernel function is not supported without|^this kernel has no (?:kernel )?(?:function"
        r"|variable) "
        r"|^kernel is missing BTF|^invalid kernel function btf_id",
        "What is declared with __ksym is not in this kernel, nor in a module that is loaded.",
        "Load the module; or declare it __weak, and test its address before the call.",
        "environment",
    ),
    entry(
        "BPF090",
        "the kernel lets no program be attached there",
        r"^\S+\(\) is not modifiable|^Attaching \S+ programs? to function '\S+' is rejected"
        r"|^Attaching \S+ to __noreturn"
        r"|^can't modify return codes of BPF programs|^Cannot (?:replace|extend|recursively attach|nest"
        r"|attach)"
        r"|^Can attach to only JITed progs|^bpf_lsm_\S+ is (?:disabled|not part)",
        "The kernel has the function, and forbids such a program on it: only some may have their result "
        "changed (fmod_ret), some never return, some are for LSM programs that the kernel does not allow.",
        "Attach to another function, or with fentry or fexit in place of fmod_ret.",
        "environment",
        without_example="it depends on how the kernel was built and what it allows to be attached",
    ),
    entry(
        "BPF091",
        "the verifier met a fault of its own",
        r"^verifier (?:bug(?!: REG INVARIANTS)|BUG|internal error)|^insn state internal bug"
        r"|^(?:kernel subsystem|bpf verifier) .*misconfigured|^pop stack internal bug|^BUG ",
        "This is not the program's fault: the kernel met a state that its authors thought impossible.",
        "Report it with the object and the log to bpf@vger.kernel.org; another kernel may take the program.",
        "environment",
        without_example="the verifier's own faults are mended as they are found",
    ),
    entry(
        "BPF092",
        "the program uses more maps or functions than the kernel takes",
        r"^The total number of (?:maps|btfs) per program has reached the limit of \d+"
        r"|^too many subprograms"
        r"|^too many different (?:kernel function calls|module BTFs)"
        r"|^insn \d+ cannot be patched due to 16-bit range"
        r"|^fd_array has too many entries"
        r"|^(?:E2BIG: )?the program uses \d+ maps, and the kernel takes 64",
        "A program takes 64 maps, 256 functions and calls of 256 different kernel functions.",
        "Put maps together (an array of maps, a struct as value), make small functions inline, or split the "
        "program with tail calls.",
        "limit",
    ),
)
