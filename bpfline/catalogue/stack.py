# SPDX-License-Identifier: Apache-2.0
"""The catalogue's family of the stack: 512 bytes for a chain of calls, and what is written there."""

from __future__ import annotations

from .entry import REG, entry

ENTRIES = (
    entry(
        "BPF016",
        "memory of the stack is read that was never written",
        rf"^invalid(?: indirect)? read from stack (?:{REG} )?(?:off -?\d+|var_off \(.*?\))\+\d+ size \d+",
        "A variable, or the padding between the members of a struct, was not initialised before it was read "
        "or given to a helper.",
        "Initialise all bytes: memset() a struct that has padding (= {} may leave padding as it was), or "
        "order its members so that there is none.",
    ),
    entry(
        "BPF017",
        "access outside of a buffer on the stack",
        rf"^invalid(?: indirect access to| write to| read from|) stack(?: type)? {REG} off=-?\d+",
        "The helper or the access reaches beyond the end of the stack, or below its 512 bytes: the size that "
        "is given is larger than the variable.",
        "Give sizeof() of the variable itself; a key and a value must be as large as the map's.",
    ),
    entry(
        "BPF019",
        "access is not aligned",
        r"^misaligned .*access off ",
        "A value of 2, 4 or 8 bytes is accessed at an address that is not a multiple of its size; on the "
        "stack that is never allowed.",
        "Copy the bytes into a variable with __builtin_memcpy(), or align the buffer.",
    ),
    entry(
        "BPF020",
        "the stack of a chain of calls is larger than 512 bytes",
        r"^combined stack size of \d+ calls is \d+\. Too large"
        r"|^stack size of subprog \d+ is \d+\. Too large|^stack size \d+\(extra \d+\) is too large",
        "The functions of one chain of calls use more than 512 bytes together.",
        "Move large variables into a per-CPU array map with one entry, or into a global variable; split the "
        "work so that the large functions do not call each other.",
        "limit",
    ),
    entry(
        "BPF071",
        "too much stack is in use at a tail call",
        r"^tail_calls are not allowed when call stack of previous frames is \d+ bytes\. Too large",
        "A function that is called makes a tail call while its callers use 256 bytes or more: their frames "
        "stay until the tail call's program has ended.",
        "Use fewer than 256 bytes in the callers, or make the tail call in the main program.",
        "limit",
    ),
    entry(
        "BPF083",
        "an operation that speculation could misuse needs CAP_PERFMON",
        r"^(?!;|\d+: ).* prohibited for !root",
        "The program was loaded without CAP_PERFMON, so the verifier also refuses what a processor could do "
        "wrong in speculation: a variable offset into the stack, pointer arithmetic it cannot mask.",
        "Load the program with CAP_PERFMON; or use constant offsets into the stack and a map for the rest.",
        "environment",
    ),
    entry(
        "BPF088",
        "an address on the stack is returned",
        r"^cannot return stack pointer to the caller"
        r"|^At subprogram exit the register R\d+ is not a scalar value|^cannot spill pointers to stack into",
        "The function's variables are gone when it has returned.",
        "Let the caller have the variable, and pass its address.",
    ),
)
