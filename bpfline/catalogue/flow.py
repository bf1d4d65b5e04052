# SPDX-License-Identifier: Apache-2.0
"""The catalogue's family of control flow: how long a program is, where it goes, and how it ends."""

from __future__ import annotations

from .entry import entry

ENTRIES = (
    entry(
        "BPF021",
        "more than eight functions call each other in a chain",
        r"^the call stack of \d+ frames is too deep|^recursive call from \S+\(\) to \S+\(\)",
        "The chain of calls that the verifier follows has more than eight functions, or a function calls "
        "itself.",
        "Make some of them inline (static __always_inline), or turn recursion into a loop.",
        "limit",
    ),
    entry(
        "BPF022",
        "the program is too complex: the verifier gave up after a million instructions",
        r"^BPF program is too large\. Processed \d+ insn|^liveness analysis exceeded complexity limit",
        "The verifier walks each path and each round of a loop by itself; branches in loops multiply. It "
        "stops after 1,000,000 instructions in all.",
        "Use bpf_loop(), bpf_for() or a callback for loops; make functions global, so that each is verified "
        "once; or split the program with tail calls. doit cost shows the lines that take most.",
        "limit",
    ),
    entry(
        "BPF023",
        "too many branches are still to be looked at",
        r"^The sequence of \d+ jumps is too complex",
        "Each conditional jump leaves its other way for later, and the verifier keeps 8,192 of them.",
        "Move the body of the loop into a callback of bpf_loop(), use bpf_for(), or have fewer branches in "
        "it. doit cost shows the jumps that leave most.",
        "limit",
    ),
    entry(
        "BPF024",
        "a loop may never end",
        r"^infinite loop detected at insn \d+",
        "The verifier came back to an instruction with all registers as they were: nothing that it can "
        "follow changes from round to round.",
        "Count the rounds with a variable that has a constant limit; the counter must not be volatile.",
    ),
    entry(
        "BPF025",
        "a jump goes back, which is not allowed without privilege",
        r"^back-edge from insn \d+ to \d+",
        "Loops need CAP_BPF; kernels before 5.3 take none at all.",
        "Load the program with CAP_BPF, or unroll the loop (#pragma clang loop unroll(full)).",
        "environment",
        without_example="the kernel says it only to programs without CAP_BPF, and most systems refuse those "
        "altogether (kernel.unprivileged_bpf_disabled)",
    ),
    entry(
        "BPF026",
        "an instruction can never be reached",
        r"^unreachable insn \d+",
        "Code stands behind an exit or an unconditional jump. clang removes such code, so it comes from "
        "assembly or from a generator.",
        "Remove what stands behind the exit, or jump to it.",
    ),
    entry(
        "BPF027",
        "a function does not end with a return",
        r"^last insn is not an exit or jmp|^(?:indirect )?jump out of range from insn \d+ to \d+"
        r"|^invalid insn idx \d+ insn_cnt \d+",
        "The last instruction is no exit, so the program would run into the next function or out of its "
        "end: clang relied on something that was said to be impossible (__builtin_unreachable(), a missing "
        "return, undefined behaviour), or assembly is wrong.",
        "End every path with a return.",
    ),
    entry(
        "BPF041",
        "the return value is not one of those allowed here",
        r"^(?:At (?:program exit|async callback return|callback return)"
        r"|In (?:async )?callback) the register R\d+ "
        r"(?:has|is not)|^.* the register R\d+ (?:has (?:smin|value|unknown)|is not a known value)"
        r"|^BPF_LSM_CGROUP that attach to void LSM hooks can't modify return value",
        "The kernel acts on the value that the program or callback returns, and takes only those in the "
        "range that the message names.",
        "Return a constant of that range on every path; for a computed value, compare it first.",
    ),
    entry(
        "BPF085",
        "an instruction is malformed",
        r"^frame pointer is read only|^BPF_\w+(?:/\w+)? uses reserved fields|^invalid (?:BPF_\S+|shift) "
        r"|^R\d+ is invalid|^jump into the middle of ldimm64|^call to invalid destination|^div by zero"
        r"|^unknown insn class|^(?:invalid|unrecognized) bpf_ld_imm64 insn",
        "No compiler makes such an instruction: it comes from assembly or from a generator.",
        "Mend the assembly; in C, leave R10 alone and name every register that assembly changes.",
    ),
    entry(
        "BPF093",
        "clang put a trap where the source's behaviour is undefined",
        r"^unexpected __bpf_trap\(\)",
        "An uninitialised variable, a missing return or the like: clang 21 and later mark the place with a "
        "call of __bpf_trap().",
        "Build with -Wall and mend what it says; initialise variables, and end every path with a return.",
        "source",
        "6.17 to 7.3",
        without_example="only clang 21 and later make the call",
    ),
)
