# SPDX-License-Identifier: Apache-2.0
"""What the verifier knows of values and conditions, in words."""

from __future__ import annotations

import dataclasses

from bpfline.verifier_log.states import Value

from .insn import Op

_U64, _U32, _S64, _S32 = (1 << 64) - 1, (1 << 32) - 1, (1 << 63) - 1, (1 << 31) - 1

_POINTERS = {
    "ctx": "the context",
    "pkt_meta": "the packet's metadata",
    "pkt_end": "the packet's end",
    "map_key": "a key",
    "mem": "memory",
    "alloc_mem": "memory of a ring buffer",
    "ringbuf_mem": "memory of a ring buffer",
    "sock": "a socket",
    "sock_common": "a socket",
    "tcp_sock": "a TCP socket",
}
# What is known where a condition is false.
_NOT = {
    "==": "!=", "!=": "==", ">": "<=", "<=": ">", ">=": "<", "<": ">=",
    "s>": "s<=", "s<=": "s>", "s>=": "s<", "s<": "s>=",
}  # fmt: skip


def number(value: Value, name: str) -> int:
    """An attribute; 0 where the log has none, or no number."""
    found = value.attrs.get(name)
    return found if isinstance(found, int) else 0


def limits(value: Value) -> tuple[int, int] | None:
    """The least and the greatest number that a value can be; None where the log does not say, or it is
    no number. A number that can be negative is counted as signed."""
    if value.type != "scalar":
        return None
    if value.const is not None:
        return value.const, value.const
    known = {name: number for name, number in value.attrs.items() if isinstance(number, int)}
    low, high = known.get("umin", 0), known.get("umax", _U64)
    if value.var_off is not None:
        low, high = max(low, value.var_off[0]), min(high, value.var_off[0] | value.var_off[1])
    if high > _S64 and ("smin" in known or "smax" in known):
        return known.get("smin", -_S64 - 1), known.get("smax", _S64)
    return low, high


def variable_part(value: Value) -> int:
    """The most that a pointer's variable offset can be; 0 where it has none."""
    if not number(value, "id"):
        return 0
    found = limits(dataclasses.replace(value, type="scalar", const=None))
    return found[1] if found else 0


def lower_limits(value: Value) -> tuple[int, int] | None:
    """The limits of the lower 32 bits of a number of which nothing is known as a whole, as a check of a
    32-bit register leaves them; None for any other value."""
    known = {name: number for name, number in value.attrs.items() if isinstance(number, int)}
    whole = limits(value)
    if whole is None or (whole[0] >= 0 and whole[1] <= _U32) or (whole[0] >= -_S32 - 1 and whole[1] <= _S32):
        return None
    low, high = known.get("umin32", 0), known.get("umax32", _U32)
    if high > _S32 and ("smin32" in known or "smax32" in known):
        low, high = known.get("smin32", -_S32 - 1), known.get("smax32", _S32)
    return None if (low, high) in ((0, _U32), (-_S32 - 1, _S32)) else (low, high)


def is_bounded(value: Value | None) -> bool:
    """Whether it has limits that a check or a mask made, rather than its type's."""
    found = limits(value) if value is not None else None
    return found is not None and found[0] >= 0 and found[1] < _S32


def describe(value: Value | None) -> str:
    """`a value of map h (8 bytes), or NULL`, `a number from 0 to 7`; "" where nothing is known."""
    if value is None or not value.type:
        return ""
    if value.type == "scalar":
        return _number(value)
    if value.type == "fp":
        return f"the stack at fp{value.const:+d}" if value.const else "the stack"
    kind = value.type.removesuffix("_or_null").replace("ptr_or_null_", "ptr_")
    return _pointer(kind, value) + (", or NULL" if nullable(value) else "")


def is_pointer(value: Value) -> bool:
    return value.type not in ("", "scalar")


def nullable(value: Value) -> bool:
    """`map_value_or_null`, `ptr_or_null_task_struct`."""
    return value.nullable or "ptr_or_null_" in value.type


def _pointer(kind: str, value: Value) -> str:
    off = value.attrs.get("off", value.attrs.get("imm", 0))
    at = f" at offset {off}" if off else ""
    of_map = f"map {value.attrs['map']}" if value.attrs.get("map") else "a map"
    if kind == "pkt":
        return f"the packet{at}" + (", behind a variable offset" if value.attrs.get("id") else "")
    if kind == "map_ptr":
        return of_map
    if kind == "map_value":
        size = value.attrs.get("vs")
        return f"a value of {of_map}" + (f" ({size} bytes)" if size else "") + at
    if kind.startswith(("ptr_", "trusted_ptr_", "rcu_ptr_", "untrusted_ptr_")):
        trust, _, struct = kind.rpartition("ptr_")
        return f"a {trust.replace('_', ' ')}pointer to {struct}{at}"
    size = value.attrs.get("sz")
    return _POINTERS.get(kind, kind) + (f" ({size} bytes)" if size else "") + at


def _number(value: Value) -> str:
    found = limits(value)
    assert found is not None
    low, high = found
    if low == high:
        return f"the number {low}"
    if lower := lower_limits(value):
        return f"a number of which only the lower 32 bits have limits: {lower[0]} to {lower[1]}"
    if (low, high) in ((0, _U64), (-_S64 - 1, _S64)):
        return "any number"
    if (low, high) == (0, _U32):
        signed = [value.attrs.get(name) for name in ("smin32", "smax32")]
        if signed != [None, None] and all(each is None or isinstance(each, int) for each in signed):
            least, most = (
                -_S32 - 1 if signed[0] is None else signed[0],
                _S32 if signed[1] is None else signed[1],
            )
            return f"a 32-bit number from {least} to {most}"
        return "any number of 32 bits"
    if (low, high) == (-_S32 - 1, _S32):
        return "any number of 32 bits, also a negative one"
    return f"a number from {low} to {high}"


def condition(op: Op, taken: bool) -> str:
    """What holds on the way that was followed: `R1 != 0`."""
    if op.dst is None:
        return ""
    other = f"R{op.src}" if op.src is not None else str(_signed(op))
    if op.op == "&":
        return f"R{op.dst} & {other}" if taken else f"!(R{op.dst} & {other})"
    sign = op.op if taken else _NOT[op.op]
    return f"R{op.dst} {sign.removeprefix('s')} {other}" + (" (signed)" if sign.startswith("s") else "")


def _signed(op: Op) -> int:
    """A comparison's number is sign-extended, and printed as what that gives."""
    number = op.number or 0
    bits = 32 if op.half else 64
    return number - (1 << bits) if number >= 1 << (bits - 1) else number


def counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def change(op: Op) -> str:
    """`R3 += 14`."""
    what = f"R{op.src}" if op.src is not None else str(op.number)
    return f"R{op.dst} {op.op}= {what}"
