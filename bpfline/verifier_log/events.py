# SPDX-License-Identifier: Apache-2.0
"""What a verifier log is made of: one event for each line, or for each part of a line.

Every event has `line`, its number in the log from 1 on, and `raw`, its bytes: the raws of all events, one
after the other, are the log. Text is decoded as UTF-8, and bytes that are none are replaced; raw has them.

States are kept as text; states.parse() reads them. Named tuples, because a log has millions of lines and
a frozen dataclass takes four times as long to make.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias


class Insn(NamedTuple):
    """`7: (07) r3 += 14 ; R3=pkt(off=14)`: an instruction that the verifier looks at.

    opcode: its first byte, None where libbpf wrote its own words over a poisoned instruction.
    state: what it changed (6.1 and later); "" where nothing is said.
    """

    line: int
    raw: bytes
    idx: int
    opcode: int | None
    text: str
    state: str = ""


class Source(NamedTuple):
    """`; text @ file:line`: the source of what follows. file is a base name; it and lineno came in 6.9."""

    line: int
    raw: bytes
    text: str
    file: str | None = None
    lineno: int | None = None


class State(NamedTuple):
    """Registers and stack: `7: R1=ctx() R10=fp0` before instruction 7, or without a number.

    label: "" or "cur state" and "old state", which follow a Loop.
    """

    line: int
    raw: bytes
    idx: int | None
    state: str
    label: str = ""


class FromTo(NamedTuple):
    """`from 3 to 5: R0=1`: the verifier takes up a branch. pruned: "safe", it need not look further."""

    line: int
    raw: bytes
    origin: int
    target: int
    speculative: bool
    pruned: bool
    state: str = ""


class Safe(NamedTuple):
    """`17: safe`: a state like this one was verified before."""

    line: int
    raw: bytes
    idx: int


class Call(NamedTuple):
    """`caller:` or `callee:`, the two sides of a call; the State of that side follows."""

    line: int
    raw: bytes
    side: str


class Return(NamedTuple):
    """`returning from callee:` (idx None) or `to caller at 1:`; the State of that side follows."""

    line: int
    raw: bytes
    idx: int | None


class Func(NamedTuple):
    """What is said of a function as a whole.

    what: "starts" (`func#1 @6`; idx is the 6), "validating", "assumed" (global, verified on its own),
    "safe" (for any arguments). name: where the log has it.
    """

    line: int
    raw: bytes
    what: str
    number: int
    name: str | None = None
    idx: int | None = None


class Precision(NamedTuple):
    """A step of backtracking: the verifier asks where a value that must be exact came from.

    precision.parse() reads the text.
    """

    line: int
    raw: bytes
    text: str


class Listing(NamedTuple):
    """A line of the tables that come before the first instruction (6.16 and later at level 2).

    kind: "live" (`Live regs before insn:`), "stack" (stack use/def, 7.1), "order" (topo_order, 7.1).
    idx, scc: of a row; None in a heading.
    """

    line: int
    raw: bytes
    kind: str
    text: str
    idx: int | None = None
    scc: int | None = None


class Scc(NamedTuple):
    """`SCC enter (1)`: a loop of the control flow graph begins, ends or goes round (6.17 and later)."""

    line: int
    raw: bytes
    what: str
    text: str


class Loop(NamedTuple):
    """`infinite loop detected at insn 6`."""

    line: int
    raw: bytes
    idx: int


class Note(NamedTuple):
    """What the verifier tells of its own bookkeeping, at level 2; never why a program is refused.

    what: "stack" (`(0) frame 0 insn 7 +live -8`: which slots are read later or written; 6.18 and later) or
    "precision" (`frame 0: propagating r7`: what a state that was pruned needs exact).
    """

    line: int
    raw: bytes
    what: str
    text: str


class Relocation(NamedTuple):
    """`CO-RE relocating ...`, `prog 'x': relo #0: ...`: the kernel's or libbpf's CO-RE relocation."""

    line: int
    raw: bytes
    text: str


class BtfType(NamedTuple):
    """A line of a BTF_LOAD log: `[3] PTR (anon) type_id=9 Invalid type_id` or a member below it."""

    line: int
    raw: bytes
    text: str


class ReportLine(NamedTuple):
    """A line of the report of 7.3; report.parse() reads them together.

    section: "title", "reason", "at", "path" or "suggestion".
    """

    line: int
    raw: bytes
    section: str
    text: str


class Trailer(NamedTuple):
    """A line of the figures at the end.

    kind: "time", "depth", "insns" (7.2), "subprog" (7.3) or "processed".
    """

    line: int
    raw: bytes
    kind: str
    text: str


class Blank(NamedTuple):
    """An empty line."""

    line: int
    raw: bytes


class Message(NamedTuple):
    """Anything else, verbatim: why a program was refused, half a line, or what we do not know."""

    line: int
    raw: bytes
    text: str


Event: TypeAlias = (
    Insn
    | Source
    | State
    | FromTo
    | Safe
    | Call
    | Return
    | Func
    | Precision
    | Listing
    | Scc
    | Loop
    | Note
    | Relocation
    | BtfType
    | ReportLine
    | Trailer
    | Blank
    | Message
)
