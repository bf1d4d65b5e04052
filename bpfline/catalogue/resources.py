# SPDX-License-Identifier: Apache-2.0
"""The catalogue's family of resources: what is held must be given back, and used as its owner says."""

from __future__ import annotations

from .entry import ARG, REG, entry

_REGIONS = r"(?:bpf_rcu_read_lock|bpf_preempt_disable|bpf_local_irq_save)-ed region"
# Other ends than an exit, which the kernel names below the reference.
_LEAK = r"(?s:.*)^(?!BPF_EXIT)\S.* would lead to reference leak"

ENTRIES = (
    entry(
        "BPF028",
        "something acquired is not released on every path",
        rf"^Unreleased reference id=\d+ alloc_insn=\d+(?!{_LEAK})"
        r"|^BPF_EXIT instruction.* would lead to reference leak",
        "The program ends while it still holds what it got at the instruction alloc_insn: reserved memory "
        "of a ring buffer, a socket, a task, an iterator.",
        "Submit, discard or release it on every path, those that leave early too.",
    ),
    entry(
        "BPF029",
        "something acquired is still held where the program would not come back",
        r"^(?!BPF_EXIT)\S.* would lead to reference leak|^Leaking reference id=\d+ alloc_insn="
        r"|^BPF_LD_\[ABS\|IND\] cannot be mixed with socket references"
        rf"|^Unreleased reference id=\d+ alloc_insn=\d+(?={_LEAK})",
        "A tail call, an exception or a legacy packet load leaves the program, so what is held could never "
        "be released.",
        "Release it before the tail call.",
    ),
    entry(
        "BPF030",
        "a lock is not released, or something is done under it that is not allowed",
        r"^bpf_spin_unlock is missing|^.* cannot be used inside bpf_spin_lock-ed region"
        r"|^(?:global )?function calls are not allowed while holding a lock"
        r"|^\w+_unlock (?:without taking a lock|of different lock)|^\w+_unlock cannot be out of order"
        r"|^Locking two bpf_spin_locks are not allowed|^Acquiring the same lock again",
        "Between bpf_spin_lock() and bpf_spin_unlock() a program may not end, call functions or take another "
        "lock, and each path has to unlock.",
        "Unlock on every path, and do calls before or after; keep what is needed in local variables.",
    ),
    entry(
        "BPF048",
        "a dynptr is not used as its rules say",
        r"^Expected an? (?:initialized )?dynptr |^cannot overwrite referenced dynptr"
        r"|^Dynptr has to be an uninitialized"
        r"|^cannot (?:pass pointer to const|release unowned const) bpf_dynptr|^potential write to dynptr"
        rf"|^{ARG} expected pointer to stack or const struct bpf_dynptr"
        r"|^CONST_PTR_TO_DYNPTR cannot be released",
        "The dynptr was not made on this path, was released already, is made twice, or is overwritten "
        "while it holds something.",
        "Make it on every path before its use, release it once, and give it a variable of its own on the "
        "stack.",
        kernels="6.1 to 7.3",
    ),
    entry(
        "BPF049",
        "an iterator is not used as its rules say",
        r"^expected (?:an initialized|uninitialized|valid) iter\w* "
        rf"|^{ARG} expected pointer to an iterator on stack",
        "The order is bpf_iter_X_new(), bpf_iter_X_next() until it gives NULL, bpf_iter_X_destroy(), with "
        "the iterator in a variable on the stack.",
        "Call them in this order on every path; bpf_for() and bpf_for_each() do so.",
        kernels="6.12 to 7.3",
    ),
    entry(
        "BPF069",
        "a map holds something that programs of this type may not use",
        r"^(?:tracing progs|socket filter progs|sleepable progs|perf_event programs) can(?:not| only) use "
        r"|^\S+ cannot be used in tracing programs on types|^trace type programs with run-time allocated"
        r"|^trace type BPF program uses run-time allocation",
        "A lock, a timer or a list in the map's value works only in places where the kernel can wait for it; "
        "this program type can interrupt such a place.",
        "Use atomic operations or a per-CPU map in place of a lock; or move the work to a program of another "
        "type.",
    ),
    entry(
        "BPF077",
        "what is released was not acquired",
        r"^release (?:kernel function|kfunc|helper) \S+ expects ref|^arg \d+ is an unacquired reference"
        rf"|^{REG} must be referenced when passed to release function|^(?:func"
        r"|kfunc) \S+ reference has not been acquired",
        "The function gives back a reference, and its argument is a pointer that holds none: the hook's own "
        "argument, or one that was released before.",
        "Release only what an acquiring function gave, and once.",
    ),
    entry(
        "BPF080",
        "an RCU, preemption or interrupt section is not left, or left without having been entered",
        rf"^.* cannot be used inside {_REGIONS}|^bpf_rcu_read_unlock is missing"
        r"|^\d+ bpf_preempt_enable\w* is missing"
        r"|^unmatched (?:rcu read unlock|attempt to enable preemption)|^nested rcu read lock"
        r"|^cannot restore irq state out of order|^expected (?:an initialized|uninitialized) irq flag",
        "Each lock of the kind that the message names needs its unlock on every path, in the reverse order.",
        "Leave the section before every return, and enter it before leaving it.",
        kernels="6.12 to 7.3",
    ),
    entry(
        "BPF089",
        "a lock, timer or kptr is not where the map's BTF says",
        r"^(?:map )?'?\S+'? has no valid \w+|^map '.*' (?:has to have BTF in order to use"
        r"|doesn't have 'struct|has more than"
        rf"|is not a struct type or)|^(?:{REG} )?doesn't have constant offset\.|^{REG} has no valid kptr"
        rf"|^off[= ]-?\d+ (?:doesn't point to|kptr isn't)|^timer pointer in {REG} map_uid=|^kptr access ",
        "The helper finds the lock or timer by the value's type in BTF, at a constant offset, and in the map "
        "that is named.",
        "Give the map's value a struct with a member struct bpf_spin_lock, bpf_timer or the like, pass that "
        "member's address, and build with -g.",
    ),
)
