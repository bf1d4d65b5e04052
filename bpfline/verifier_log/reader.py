# SPDX-License-Identifier: Apache-2.0
"""The log as events: reads line by line, in bounded memory, whatever the kernel or a knife made of it.

Formats of 5.10 to 7.3 were seen (kernel/bpf/log.c and verbose() in verifier.c; the log's format is no
stable interface). 5.4's is like 5.10's by its source, and untested. What no rule describes is a Message.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from . import events as ev
from .events import Event
from .mapped import Log
from .pieces import Readable, pieces

# Numbers are short: int() refuses thousands of digits, and no kernel prints them.
_N = r"(\d{1,9})"
# An item of a state: register, stack slot, references, callback marks (print_verifier_state).
_ITEM = r"(?:frame\d+:|R\d+(?:_[rwD]+)?=|fp-?\d+(?:_[rwD]+)?=|refs=|cb\b|async_cb\b)"


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace("<N>", _N).replace("<ITEM>", _ITEM), re.ASCII)


# A state that follows an instruction on its line is " ; R0=1". From 6.1 on, level 1 also joins the state
# before the next one when the log was set back to a branch: "goto pc+3 14: R10=fp0".
_INSN = _compiled(r"<N>: \(([0-9a-f]{2})\) (.*?)(?: *; ?(.*)|( <N>: (<ITEM>.*)))?$")
_STATE_AT = _compiled(r"<N>:(?: *| (<ITEM>.*))$")
_STATE = _compiled(r" <ITEM>")
_SAFE = _compiled(r"<N>: safe$")
# Written by libbpf over an instruction that it had poisoned (fixup_verifier_log, libbpf.c).
_POISONED = _compiled(r"<N>: (<invalid (?:CO-RE relocation|BPF map reference|kfunc call)>)$")
_FROM_TO = _compiled(r"from <N> to <N>( \(speculative execution\))?:(?: (.*))?$")
_STARTS = _compiled(r"func#<N> @<N>$")
_GLOBAL = _compiled(r"Func#<N>(?: \('(.*)'\))? is (safe for|global)")
_VALIDATING = _compiled(r"Validating (.*)\(\) func#<N>\.\.\.$")
_CALLER_AT = _compiled(r"to caller at <N>:$")
_LOOP_STATE = _compiled(r"(cur state|old state): (.*)$")
_LOOP = _compiled(r"infinite loop detected at insn <N>$")
_SCC = _compiled(r"SCC (enter|exit|backedge)\b *(.*)$")
_PRECISION = _compiled(
    r"mark_precise: |force_precise: |last_idx \d|regs=[0-9a-f]+ stack=|parent (?:already had|didn't have) "
)
# kernel/bpf/liveness.c (log_mask_change, update_instance), and propagate_precision() in verifier.c, which
# named no frame before 6.3.
_NOTE = _compiled(
    r"(?P<stack>\([0-9,]+\) (?:frame \d+ insn \d+ |live stack update done in ))"
    r"|(?P<precision>(?:frame \d+: )?propagating (?:r|fp-?)\d)"
)
_RELOCATION = _compiled(r"CO-RE relocating |(?:prog '.*': )?relo #\d+: |(?:vmlinux|module)_cand_cache:")
_BTF_TYPE = _compiled(r"\[\d+\] [A-Z][A-Z0-9_]+ (?!')")  # bpftool btf dump puts names in quotes
_TRAILER = _compiled(
    r"(?P<time>verification time \d+ usec)|(?P<depth>stack depth (?:max )?\d)|(?P<insns>insns processed \d)"
    r"|(?P<subprog>subprog \d+ \(.*\) .*insns_self )|(?P<processed>processed \d+ insns\b)"
)
_REPORT = {"Reason:": "reason", "At:": "at", "Causal path:": "path", "Suggestion:": "suggestion"}
_REPORT_TITLE = "Verification failed: "
_LIVE = "Live regs before insn:"
_LIVE_ROW = _compiled(r" *<N>? +<N>: [0-9.]{10} \(")
# From 7.1 on the program is listed before it is verified, as "%3d: " (print_instance, verifier.c).
_STACK_HEAD = _compiled(r"(?:subprog#\d+ |stack use/def ).*:$|subprog#\d+: analyzing ")
_STACK_ROW = _compiled(r" *<N>: \([0-9a-f]{2}\) ")
_ORDER = "topo_order["


def read(data: Log | Readable, *, start: int = 0) -> Iterator[Event]:
    """The events of a log, in its order; no input raises.

    data: the log, or a file to read it from in pieces. The log is bare: see unwrap() for libraries' own.
    start: of a log, where to begin.
    """
    reader = _Reader()
    for number, raw in enumerate(_lines(data, start), 1):
        yield from reader.events(number, raw)


def _lines(data: Log | Readable, start: int) -> Iterator[bytes]:
    """The lines, each with its end."""
    for piece in pieces(data, start=start):
        *whole, last = piece.split(b"\n")
        for line in whole:
            yield line + b"\n"
        if last:
            yield last


class _Reader:
    """Knows what table or report the lines before were part of."""

    def __init__(self) -> None:
        self.table = ""  # "live", "stack" or "btf": rows may follow
        self.section = ""  # of the report

    def events(self, number: int, raw: bytes) -> Iterable[Event]:
        text = raw.rstrip(b"\r\n").decode("utf-8", "replace")
        if self.section and (event := self._in_report(number, raw, text)):
            return (event,)
        if self.table:
            if event := self._row(number, raw, text):
                return (event,)
            self.table = ""
        first = text[:1]
        if "0" <= first <= "9":
            return _numbered(number, raw, text)
        if first == ";":
            return (_source(number, raw, text),)
        if not text:
            return (ev.Blank(number, raw),)
        return (self._other(number, raw, text),)

    def _in_report(self, number: int, raw: bytes, text: str) -> Event | None:
        """What stands in the report is blank, indented by two, or the heading of its next section."""
        if text and not text.startswith("  "):
            if text not in _REPORT:
                self.section = ""
                return None
            self.section = _REPORT[text]
        return ev.ReportLine(number, raw, self.section, text)

    def _row(self, number: int, raw: bytes, text: str) -> Event | None:
        if self.table == "live" and (found := _LIVE_ROW.match(text)):
            return ev.Listing(number, raw, "live", text, int(found[2]), int(found[1]) if found[1] else None)
        if self.table == "stack" and (found := _STACK_ROW.match(text)):
            return ev.Listing(number, raw, "stack", text, int(found[1]))
        if self.table == "btf" and text.startswith("\t"):
            return ev.BtfType(number, raw, text)
        return None

    def _other(self, number: int, raw: bytes, text: str) -> Event:
        if text.startswith(_REPORT_TITLE):
            self.section = "title"
        elif text in _REPORT:  # a log that begins within the report
            self.section = _REPORT[text]
        if self.section:
            return ev.ReportLine(number, raw, self.section, text)
        if text == _LIVE:
            self.table = "live"
        elif _STACK_HEAD.match(text):
            self.table = "stack"
        if self.table:
            return ev.Listing(number, raw, self.table, text)
        if _BTF_TYPE.match(text):
            self.table = "btf"
            return ev.BtfType(number, raw, text)
        if text.startswith(_ORDER):
            return ev.Listing(number, raw, "order", text)
        return _plain(number, raw, text)


def _numbered(number: int, raw: bytes, text: str) -> Iterable[Event]:
    """A line that begins with the number of an instruction."""
    if found := _INSN.match(text):
        idx, opcode, insn, state, joined, at, before = found.groups()
        split = found.end(3)
        if joined and text[:split].isascii():  # so that characters are bytes
            return (
                ev.Insn(number, raw[:split], int(idx), int(opcode, 16), insn),
                ev.State(number, raw[split:], int(at), before),
            )
        return (ev.Insn(number, raw, int(idx), int(opcode, 16), insn, state or ""),)
    if found := _STATE_AT.match(text):
        return (ev.State(number, raw, int(found[1]), found[2] or ""),)
    if found := _SAFE.match(text):
        return (ev.Safe(number, raw, int(found[1])),)
    if found := _POISONED.match(text):
        return (ev.Insn(number, raw, int(found[1]), None, found[2]),)
    return (ev.Message(number, raw, text),)


def _source(number: int, raw: bytes, text: str) -> Event:
    return ev.Source(number, raw, *comment(text[1:]))


def comment(after: str) -> tuple[str, str | None, int | None]:
    """Text, file and line of what comes after the semicolon: `text`, or `text @ file:line` from 6.9 on."""
    body = after.removeprefix(" ")
    text, at, place = body.rpartition(" @ ")
    file, _, lineno = place.rpartition(":")
    if at and lineno.isdecimal() and lineno.isascii() and len(lineno) < 10 and (file or int(lineno) == 0):
        return text, file or None, int(lineno)  # cilium/ebpf's own comments are of no file, line 0
    return body, None, None


def _plain(number: int, raw: bytes, text: str) -> Event:
    """A line of which every kind has its own first words."""
    if _STATE.match(text):
        return ev.State(number, raw, None, text[1:])
    if _PRECISION.match(text):
        return ev.Precision(number, raw, text)
    if found := _FROM_TO.match(text):
        origin, target, speculative, state = found.groups()
        pruned = state == "safe"
        return ev.FromTo(
            number, raw, int(origin), int(target), bool(speculative), pruned, "" if pruned else state or ""
        )
    if found := _TRAILER.match(text):
        return ev.Trailer(number, raw, found.lastgroup or "", text)
    if text in ("caller:", "callee:"):
        return ev.Call(number, raw, text[:-1])
    if text == "returning from callee:":
        return ev.Return(number, raw, None)
    if found := _CALLER_AT.match(text):
        return ev.Return(number, raw, int(found[1]))
    if found := _SCC.match(text):
        return ev.Scc(number, raw, found[1], found[2])
    if found := _LOOP.match(text):
        return ev.Loop(number, raw, int(found[1]))
    if found := _LOOP_STATE.match(text):
        return ev.State(number, raw, None, found[2], found[1])
    return _function(number, raw, text) or _rare(number, raw, text)


def _function(number: int, raw: bytes, text: str) -> Event | None:
    if found := _STARTS.match(text):
        return ev.Func(number, raw, "starts", int(found[1]), None, int(found[2]))
    if found := _VALIDATING.match(text):
        return ev.Func(number, raw, "validating", int(found[2]), found[1])
    if found := _GLOBAL.match(text):
        return ev.Func(number, raw, "safe" if found[3] == "safe for" else "assumed", int(found[1]), found[2])
    return None


def _rare(number: int, raw: bytes, text: str) -> Event:
    if found := _NOTE.match(text):
        return ev.Note(number, raw, found.lastgroup or "", text)
    if _RELOCATION.match(text):
        return ev.Relocation(number, raw, text)
    return ev.Message(number, raw, text)
