# SPDX-License-Identifier: Apache-2.0
"""The log inside what a loader printed around it: libbpf (so bpftool -d, too), cilium/ebpf and aya.

    libbpf: prog 'x': -- BEGIN PROG LOAD LOG --          libbpf, bpf_object_load_prog(); old ones write
    <log>-- END PROG LOAD LOG --                         "-- BEGIN DUMP LOG ---" and "-- END LOG --"

    load program: permission denied:                     cilium/ebpf, VerifierError as %+v; up to 0.9
    \t<line>                                             without "load program: ". Its numbers of omitted
    \t(12 line(s) omitted)                               lines stand where the lines were
    load program: permission denied: <line>: <line> (12 line(s) omitted)             as %v

    ... Verifier output: <log>                           aya, LoadError as {}
    ... verifier_log: <log> }                            as {:?}; old ones have it in quotes, with \\n

Pasted logs are often indented or quoted: what stands before "libbpf:" is taken from each line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from . import mapped
from .mapped import Log
from .pieces import pieces

# Patterns begin with plain text, which is what makes a search through 100 MB fast.
_BEGIN = re.compile(rb"-- BEGIN (?:PROG LOAD|BTF LOAD|DUMP) LOG -{2,3}\r?\n")
_END = re.compile(rb"-- END (?:PROG LOAD |BTF LOAD )?LOG -{2,3}")
_PROG = re.compile(rb"prog '(.*)': $", re.DOTALL)
_INDENT = re.compile(rb"[ \t>]*")

_OMITTED = rb"(\d{1,9}) line(?:s|\(s\))? omitted\)"
_CILIUM = b"load program: "
_CILIUM_NAME = re.compile(rb"program (\S+): $")
_CILIUM_LOG = re.compile(rb":\r?\n( *\t)")
# What shows that indented lines are a log, where nothing before them does.
_STEP = re.compile(rb"^(?:\d{1,9}: \([0-9a-f]{2}\) |processed \d+ insns )", re.MULTILINE)
_BLANK = re.compile(rb"(?:\r?\n)+")
_CILIUM_OMITTED = re.compile(rb"^\((?:truncated, )?" + _OMITTED + rb"\r?\n?", re.MULTILINE)
_CILIUM_SHORT = re.compile(rb" \((?:truncated, )?" + _OMITTED)

_AYA = re.compile(rb"erifier output: ?\n?|verifier_log: (?!VerifierLog\(|\")")
_AYA_END = re.compile(rb"(?<=\n)processed \d+ insns[^\n]*\n|(?=\n\nCaused by:\n)|\n(?= \})")
_AYA_QUOTED = re.compile(rb'verifier_log: (?:VerifierLog\()?"((?:[^"\\]+|\\.)*)', re.DOTALL)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)

_ESCAPED = {b"n": b"\n", b"t": b"\t", b"r": b"\r"}

# What each of them has. Most logs have none of it, for nobody wrapped them.
_WORDS = (b"-- BEGIN ", b"-- END ", _CILIUM, b"erifier output:", b"verifier_log: ")
_OVERLAP = 256  # bytes: it may lie across two pieces


@dataclass(frozen=True)
class Wrapped:
    """One log and who printed it.

    loader: "libbpf", "cilium/ebpf" or "aya". program: its name, where the loader says. omitted: how
    many lines the loader left out.
    """

    log: Log
    loader: str
    program: str | None = None
    omitted: int = 0


def unwrap(data: Log) -> Log:
    """The last log in data, for that is the one of the program that failed; data itself if it has none."""
    logs = unwrap_all(data)
    return logs[-1].log if logs else data


def unwrap_all(data: Log) -> list[Wrapped]:
    """Every log in data, in its order; none where no known loader's words are found."""
    return _libbpf(data) or _cilium(data) or _aya(data) if _is_wrapped(data) else []


def _is_wrapped(data: Log) -> bool:
    """Whether any of those may be in data: piece by piece, for a mapped file comes into memory as far as it
    is searched at once."""
    end = b""
    for piece in pieces(data):
        text = end + piece
        if any(word in text for word in _WORDS) or (b"\t" in text and _CILIUM_LOG.search(text)):
            return True
        end = piece[-_OVERLAP:]
    return False


def _libbpf(data: Log) -> list[Wrapped]:
    begins = list(_BEGIN.finditer(data))
    limits = [found.start() for found in begins[1:]] + [len(data)]
    logs = []
    for found, limit in zip(begins, limits, strict=False):
        before = data[data.rfind(b"\n", 0, found.start()) + 1 : found.start()]
        name = _PROG.search(before)
        indent = _INDENT.match(before)
        logs.append(
            Wrapped(
                _body(data, found.end(), _end(data, found.end(), limit), indent[0] if indent else b""),
                "libbpf",
                name[1].decode("utf-8", "replace") if name else None,
            )
        )
    if not begins and _END.search(data):  # cut at its beginning
        logs.append(Wrapped(_body(data, 0, _end(data, 0, len(data))), "libbpf"))
    return logs


def _end(data: Log, start: int, limit: int) -> int:
    """Where "-- END PROG LOAD LOG --" begins, and what libbpf or a paste put before it on its line."""
    found = _END.search(data, start, limit)
    if found is None:
        return limit
    last = data.rfind(b"\n", start, found.start()) + 1 or start
    return found.start() if data[last : found.start()].replace(b"libbpf: ", b"").strip(b" \t>") else last


def _cilium(data: Log) -> list[Wrapped]:
    """Programs print both forms, one below the other: the short one counts where it stands alone."""
    logs = list(_cilium_logs(data))
    for at, short in _cilium_shorts(data):
        if not any(log.log.find(short.log[:].strip()) >= 0 for _, log in logs):
            logs.append((at, short))
    return [log for _, log in sorted(logs, key=lambda each: each[0])]


def _cilium_logs(data: Log) -> Iterator[tuple[int, Wrapped]]:
    """(where its head ends, log) of each that is printed as %+v."""
    end = 0
    for found in _CILIUM_LOG.finditer(data):
        if found.start() < end:
            continue
        head = data[data.rfind(b"\n", 0, found.start()) + 1 : found.start()]
        start = found.start(1)
        stop = _end_of_indented(data, start, found[1])
        body = _body(data, start, stop, found[1])
        if _CILIUM in head or _STEP.search(body):
            end = stop
            yield start, _without_omissions(body, _cilium_name(head))


def _cilium_shorts(data: Log) -> Iterator[tuple[int, Wrapped]]:
    """(where it begins, log) of each that is printed as %v."""
    at = data.find(_CILIUM)
    while at >= 0:
        end = (data.find(b"\n", at) + 1) or len(data)
        if short := _CILIUM_SHORT.search(said := data[at + len(_CILIUM) : end].rstrip()):
            # Two lines were joined by ": ": "9: (69) r5 = *(u16 *)(r1 +0): R1 invalid mem access 'scalar'".
            _, _, words = said[: short.start()].partition(b": ")
            words = re.sub(rb": (?=R\d+ )", b"\n", words)
            name = _cilium_name(data[data.rfind(b"\n", 0, at) + 1 : at] + _CILIUM)
            yield at, Wrapped(words + b"\n", "cilium/ebpf", name, int(short[1]))
        at = data.find(_CILIUM, end)


def _cilium_name(head: bytes) -> str | None:
    """`program x: load program: permission denied`"""
    name = _CILIUM_NAME.search(head.partition(_CILIUM)[0])
    return name[1].decode("utf-8", "replace") if name else None


def _end_of_indented(data: Log, end: int, indent: bytes) -> int:
    def stands(at: int) -> bool:
        return data[at : at + len(indent)] == indent

    while stands(end):
        end = (data.find(b"\n", end) + 1) or len(data)
        blank = _BLANK.match(data, end)  # an editor may have taken the tab of an empty line
        if blank and stands(blank.end()):
            end = blank.end()
    return end


def _without_omissions(body: Log, name: str | None) -> Wrapped:
    omitted = sum(int(found[1]) for found in _CILIUM_OMITTED.finditer(body))
    whole = mapped.spooled(_CILIUM_OMITTED.sub(b"", piece) for piece in pieces(body)) if omitted else body
    return Wrapped(whole, "cilium/ebpf", name, omitted)


def _aya(data: Log) -> list[Wrapped]:
    if found := _AYA.search(data):
        end = _AYA_END.search(data, found.end())
        return [Wrapped(_body(data, found.end(), end.end() if end else len(data)), "aya")]
    if found := _AYA_QUOTED.search(data):
        return [Wrapped(_ESCAPE.sub(lambda escape: _ESCAPED.get(escape[1], escape[1]), found[1]), "aya")]
    return []


def _body(data: Log, start: int, stop: int, indent: bytes = b"") -> Log:
    """A part of data, its lines without the indent."""
    return mapped.spooled(_unindented(piece, indent) for piece in pieces(data, start=start, stop=stop))


def _unindented(body: bytes, indent: bytes) -> bytes:
    if not indent:
        return body
    return b"\n".join(line.removeprefix(indent) for line in body.split(b"\n"))
