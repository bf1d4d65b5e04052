# SPDX-License-Identifier: Apache-2.0
"""The catalogue's family of bounds: memory of a known size, and indexes and lengths that may be too large."""

from __future__ import annotations

from .entry import REG, entry

_MIN_MAX = rf"{REG} (?:min|max) value is outside of the allowed memory range"

ENTRIES = (
    entry(
        "BPF006",
        "packet access is not bounds-checked",
        rf"^invalid access to packet, off=|^{REG} offset is outside of the packet",
        "No comparison of this very pointer with data_end that covers all bytes of the access stands before "
        "it on this path; or the offset has no limit (65,535 at most), which makes the comparison void.",
        "Compare the end of what is read with data_end right before the access, with the same pointer, and "
        "limit variable offsets before that.",
    ),
    entry(
        "BPF008",
        "an index may be negative",
        r"^math between \w+ pointer and register with unbounded min value is not allowed",
        "The number that is added to the pointer is signed or of unknown sign: it has no lower limit.",
        "Make the index unsigned, and compare it with the size (or mask it) before it is used.",
    ),
    entry(
        "BPF009",
        "an offset is too large for any object",
        r"^value -?\d+ makes \w+ pointer be out of bounds|^math between \w+ pointer and -?\d+ is not allowed"
        r"|^\w+ pointer offset -?\d+ is not allowed",
        "The sum may be 2^29 or more bytes away from the object: an int as an index may be -2147483648.",
        "Make the index unsigned, and compare it with the size before it is added.",
    ),
    entry(
        "BPF010",
        "access beyond a map's value",
        r"^invalid access to map value, value_size=\d+ off=-?\d+ size=\d+"
        rf"(?!\n{REG} max value is outside)|^invalid access to map value pointer, value_size=",
        "The offset is not inside the value's size: the value is smaller than the type that it is read as, "
        "or a constant index is too large.",
        "Make the map's value the type that is read, and keep indexes below the number of elements.",
    ),
    entry(
        "BPF011",
        "an index has a limit, and the limit is too large",
        rf"^invalid access to (?:map value|map key|memory), .*\n{REG} max value is outside|^{_MIN_MAX}",
        "The verifier knows the least and the greatest value of the index, and the access is outside of the "
        "memory for one of them: an off-by-one in the check, a check of another variable, or one that clang "
        "did on a copy.",
        "Check index < number of elements on the variable that is used, right before it is used; or mask it.",
    ),
    entry(
        "BPF012",
        "an index has no limit",
        rf"^{REG} unbounded memory access, make sure to bounds check any such access",
        "Nothing on this path says how large the index can be.",
        "Compare the index with the number of elements first, or mask it where that is a power of two.",
    ),
    entry(
        "BPF013",
        "a length may be negative",
        rf"^{REG} min value is negative, either use unsigned",
        "The length or index is signed, and no check says that it is 0 or more.",
        "Make it unsigned (__u32), or check for negative values first.",
    ),
    entry(
        "BPF014",
        "a length has no limit",
        rf"^{REG} unbounded (?:memory access|size), use 'var &= const' or 'if \(var < const\)'",
        "The helper gets a length that may be larger than any memory.",
        "Compare the length with the buffer's size first, or mask it.",
    ),
    entry(
        "BPF015",
        "a length may be 0",
        rf"^(?:{REG} )?invalid zero-sized read",
        "This helper takes no length of 0, and the check leaves 0 open.",
        "Leave before the call when the length is 0.",
    ),
    entry(
        "BPF018",
        "an index into the stack has no limit",
        rf"^invalid unbounded variable-offset.* stack {REG}|^{REG} unbounded indirect variable offset stack",
        "An array on the stack is indexed with a number of unknown size.",
        "Compare the index with the array's size, or mask it, before it is used; large tables belong in a "
        "map.",
    ),
    entry(
        "BPF062",
        "access beyond memory of known size",
        r"^invalid access to (?:memory|map key), \w+=\d+ off=-?\d+ size=\d+"
        rf"(?!\n{REG} max value is outside)|^{REG} invalid (?:\w+ buffer access|(?:negative"
        r"|variable) .*buffer)",
        "More is read or written than was reserved, given or declared: the message has the memory's size, "
        "the offset and the size of the access.",
        "Reserve as many bytes as are used (sizeof(*pointer)), and read no more than was given.",
    ),
    entry(
        "BPF063",
        "the context is read at a variable index",
        r"^variable \w+ access var_off=\(.*\) disallowed",
        "The kernel rewrites each access to the context for its member, so the member must be known when the "
        "program is loaded.",
        "Use a constant index; for a choice, a switch with one access in each case.",
    ),
    entry(
        "BPF064",
        "an index into the stack has a limit, and the limit is too large",
        rf"^invalid variable-offset.* stack {REG} var_off=",
        "The index is limited to more elements than the array on the stack has.",
        "Check index < number of elements, on the variable that is used.",
    ),
    entry(
        "BPF065",
        "a constant is needed, and the value is known only when the program runs",
        rf"^{REG} is not a known constant|^{REG} must be a known constant",
        "The verifier has to know this size or argument when the program is loaded: bpf_ringbuf_reserve() "
        "takes a constant size, for one.",
        "Give the largest size that can be needed as a constant; or, for a ring buffer, use a dynptr "
        "(bpf_ringbuf_reserve_dynptr()) or bpf_ringbuf_output().",
        kernels="6.1 to 7.3",
    ),
    entry(
        "BPF081",
        "a kernel struct is read at a variable index",
        rf"^{REG} is (?:ptr_\w+|\S+) invalid (?:variable offset|negative access): off=",
        "Members of kernel structs are found by their offsets, so an offset must be a constant, and not "
        "negative.",
        "Copy the array with bpf_probe_read_kernel() or bpf_core_read(), and index the copy.",
    ),
)
