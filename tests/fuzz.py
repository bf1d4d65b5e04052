# SPDX-License-Identifier: Apache-2.0
"""Damaged objects: how good ones are damaged, and a process with limits in which each is verified.

test_damaged_objects.py takes a few hundred of them. By hand, on all processors:

    python tests/fuzz.py --cases 100000
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import faulthandler
import functools
import hashlib
import io
import itertools
import multiprocessing
import os
import pickle
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field
from pathlib import Path
from struct import Struct
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import bpfline
import bpfline_loader
from bpf_objects import compile_bpf
from bpfline import verify_files
from bpfline.errors import Problem
from bpfline_loader import bpf_map, btf_raw, maps
from bpfline_loader.bpf_map import MapAttr

SOURCES = Path(__file__).parent / "bpf/good"
MEMORY = 512 << 20  # bytes of address space, and of the kernel's memory for the maps of one object
SLOW = 1.0  # seconds
HARD = 20  # seconds after which a case is ended
_SHOWN = 4000  # characters of what was said
KERNEL = re.compile(r"^(?:prog|map|link|btf)_id:\t\d+$", re.M)  # in /proc/self/fdinfo


# --- Good objects ------------------------------------------------------------------------------


class Good(dict[str, bytes]):
    """Objects by name; a failing test does not print them."""

    def __repr__(self) -> str:
        return f"<{len(self)} objects>"


@functools.cache
def good_objects() -> Good:
    """The objects of tests/bpf/good by name, without DWARF, which nothing reads."""
    machine = {"x86_64": "x86", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    found = Good()
    with tempfile.TemporaryDirectory() as folder:
        dump = ["bpftool", "btf", "dump", "file", "/sys/kernel/btf/vmlinux", "format", "c"]
        with Path(folder, "vmlinux.h").open("wb") as header:
            subprocess.run(dump, stdout=header, check=True)
        for source in sorted(SOURCES.glob("*.c")):
            name = source.name.partition(".")[0]
            made = compile_bpf(source.read_text(), f"-I{folder}", f"-D__TARGET_ARCH_{machine}", name=name)
            bare = Path(folder, f"{name}.o")
            subprocess.run(["llvm-objcopy", "--strip-debug", made, bare], check=True)
            found[name] = bare.read_bytes()
    return found


# --- Damage ------------------------------------------------------------------------------------

_SHDR = Struct("<IIQQQQIIQQ")  # Elf64_Shdr
_E_SHOFF, _E_SHNUM, _EHDR_SIZE = 40, 60, 64  # Elf64_Ehdr
_NO_CONTENTS = (0, 8)  # SHT_NULL, SHT_NOBITS
_UNITS = {2: 24, 3: 1, 9: 16}  # bytes of a record of SHT_SYMTAB, SHT_STRTAB, SHT_REL
_BTF_HEADER = Struct("<HBBIIIII")
_EXT_HEADER = Struct("<HBBIIIIIII")
_WORDS = [
    *(0, 1, 2, 3, 4, 5, 7, 8, 9, 16, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFF00, 0xFFF1, 0xFFFF),
    *(0x10000, 0x100000, 0x1000000, 0x10000000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 32),
    *(0x7FFFFFFFFFFFFFFF, 0x8000000000000000, 0xFFFFFFFFFFFFFFF8, 0xFFFFFFFFFFFFFFFF),
]
_LARGEST = 256 << 10  # bytes that a range is repeated to

Draw = Callable[[st.SearchStrategy[Any]], Any]


@dataclass
class Parts:
    """An object taken apart. contents: of each section, b"" where it has none in the file."""

    header: bytearray
    sections: list[list[int]]
    contents: list[bytearray]
    names: list[str]

    def together(self) -> bytearray:
        """The object again, wherever its sections end now."""
        data = bytearray(self.header)
        for section, contents in zip(self.sections, self.contents, strict=True):
            if section[1] not in _NO_CONTENTS:
                data += bytes(-len(data) % 8)
                section[4:6] = len(data), len(contents)
                data += contents
        data += bytes(-len(data) % 8)
        data[_E_SHOFF : _E_SHOFF + 8] = len(data).to_bytes(8, "little")
        return data + b"".join(_SHDR.pack(*section) for section in self.sections)


def apart(data: bytes) -> Parts:
    start, count = (int.from_bytes(data[at : at + size], "little") for at, size in ((_E_SHOFF, 8), (60, 2)))
    sections = [list(each) for each in _SHDR.iter_unpack(data[start : start + count * _SHDR.size])]
    contents = [
        bytearray() if each[1] in _NO_CONTENTS else bytearray(data[each[4] : each[4] + each[5]])
        for each in sections
    ]
    strings = contents[int.from_bytes(data[62:64], "little")]
    names = [strings[each[0] : strings.index(0, each[0])].decode() for each in sections]
    return Parts(bytearray(data[:_EHDR_SIZE]), sections, contents, names)


def _range(draw: Draw, size: int, unit: int, most: int = 64) -> tuple[int, int]:
    """Where some records of unit bytes stand among size bytes."""
    count = size // unit
    first = draw(st.integers(0, max(0, count - 1)))
    length = draw(st.integers(1, most))
    return first * unit, min(size, (first + length) * unit)


def _flip(draw: Draw, data: bytearray, unit: int, donor: bytes) -> None:
    at = draw(st.integers(0, len(data) - 1))
    data[at] ^= 1 << draw(st.integers(0, 7))


def _word(draw: Draw, data: bytearray, unit: int, donor: bytes) -> None:
    size = draw(st.sampled_from([4, 4, 8, 2, 1]))
    size = min(size, len(data))
    at = draw(st.integers(0, len(data) // size - 1)) * size
    old = int.from_bytes(data[at : at + size], "little")
    value = draw(
        st.one_of(
            st.sampled_from(_WORDS),
            st.integers(0, 300),
            st.integers(old - 9, old + 9),
            # struct btf_type's info: kind and number of members
            st.builds(lambda kind, count: kind << 24 | count, st.integers(0, 22), st.integers(0, 5)),
        )
    )
    data[at : at + size] = (value % (1 << 8 * size)).to_bytes(size, "little")


def _cut(draw: Draw, data: bytearray, unit: int, donor: bytes) -> None:
    start, end = _range(draw, len(data), unit)
    del data[start:end]


def _insert(draw: Draw, data: bytearray, unit: int, donor: bytes) -> None:
    start, end = _range(draw, len(donor), unit)
    at = draw(st.integers(0, len(data) // unit)) * unit
    data[at:at] = donor[start:end]


def _overwrite(draw: Draw, data: bytearray, unit: int, donor: bytes) -> None:
    start, end = _range(draw, len(donor), unit)
    at, _ = _range(draw, len(data), unit)
    data[at : at + end - start] = donor[start:end][: len(data) - at]


def _swap(draw: Draw, data: bytearray, unit: int, donor: bytes) -> None:
    (one, _), (two, _) = _range(draw, len(data), unit), _range(draw, len(data), unit)
    data[one : one + unit], data[two : two + unit] = data[two : two + unit], data[one : one + unit]


def _replace(draw: Draw, data: bytearray, unit: int, donor: bytes) -> None:
    data[:] = donor


def _truncate(draw: Draw, data: bytearray, unit: int, donor: bytes) -> None:
    del data[draw(st.integers(0, len(data) // unit)) * unit :]


def _repeat(draw: Draw, data: bytearray, unit: int, donor: bytes) -> None:
    start, end = _range(draw, len(data), unit, 8)
    times = 1 << draw(st.integers(1, 16))
    data[start:end] = data[start:end] * max(1, min(times, _LARGEST // max(1, end - start)))


# Often what comes far, now and then what is rough.
_EDITS = [_word] * 6 + [_flip] * 3 + [_cut, _insert, _overwrite] * 2 + [_swap, _replace, _truncate, _repeat]


def _edit(draw: Draw, data: bytearray, unit: int, donor: bytes) -> None:
    if data:
        draw(st.sampled_from(_EDITS))(draw, data, unit, donor or bytes(data))


def _edit_btf(draw: Draw, data: bytearray, donor: bytes) -> None:
    """Types or strings, between a header that tells the truth."""
    if len(data) < _BTF_HEADER.size:
        return
    if draw(st.integers(0, 2)) and _edit_type(draw, data):
        return
    magic, version, flags, size, type_off, type_len, str_off, str_len = _BTF_HEADER.unpack_from(data)
    types = data[size + type_off : size + type_off + type_len]
    strings = data[size + str_off : size + str_off + str_len]
    if draw(st.integers(0, 4)):
        _edit(draw, types, 4, donor[_BTF_HEADER.size :])
    else:
        _edit(draw, strings, 1, donor[_BTF_HEADER.size :])
    header = _BTF_HEADER.pack(
        magic, version, flags, _BTF_HEADER.size, 0, len(types), len(types), len(strings)
    )
    data[:] = header + types + strings


def _edit_type(draw: Draw, data: bytearray) -> bool:
    """A word of a type: of each kind as often, for a vmlinux.h has thousands of structs and one DATASEC."""
    try:
        raw = btf_raw.cut(bytes(data), None)
    except Problem:  # it has been damaged before
        return False
    kinds: dict[int, list[tuple[int, int]]] = {}
    for start, end in itertools.pairwise([*raw.starts, len(raw.words)]):
        kinds.setdefault(raw.words[start + 1] >> 24 & 0x7F, []).append((start, end))
    if not kinds:
        return False
    start, end = draw(st.sampled_from(kinds[draw(st.sampled_from(sorted(kinds)))]))
    at = _BTF_HEADER.size + 4 * start
    found = data[at : at + 4 * (end - start)]
    _word(draw, found, 4, b"")
    data[at : at + len(found)] = found
    return True


def _edit_ext(draw: Draw, data: bytearray, donor: bytes) -> None:
    """func_info, line_info or core_relos, behind a header that tells the truth."""
    if len(data) < _EXT_HEADER.size:
        return
    magic, version, flags, size, *places = _EXT_HEADER.unpack_from(data)
    tables = [
        data[size + at : size + at + length] for at, length in zip(places[::2], places[1::2], strict=True)
    ]
    _edit(draw, draw(st.sampled_from([table for table in tables if table] or tables)), 4, donor)
    told: list[int] = []
    for table in tables:
        told += sum(told[1::2]), len(table)
    data[:] = _EXT_HEADER.pack(magic, version, flags, _EXT_HEADER.size, *told) + b"".join(tables)


def _weight(name: str, kind: int, flags: int) -> int:
    if name in (".BTF", ".BTF.ext", ".maps"):
        return {".BTF": 8, ".BTF.ext": 5, ".maps": 2}[name]
    if kind == 9:  # SHT_REL: those of code rather than those of BTF
        return 0 if name.startswith((".rel.BTF", ".rel.debug")) else 2
    return {2: 5, 3: 2}.get(kind, 2 if flags & 2 else 0)  # SHT_SYMTAB, SHT_STRTAB; SHF_ALLOC


def _edit_section(draw: Draw, parts: Parts, donor: Parts) -> None:
    choices = [
        index
        for index, (section, name) in enumerate(zip(parts.sections, parts.names, strict=True))
        if parts.contents[index]
        for _ in range(_weight(name, section[1], section[2]))
    ]
    if not choices:
        return
    index = draw(st.sampled_from(choices))
    name, data, kind = parts.names[index], parts.contents[index], parts.sections[index][1]
    alike = [n for n, (s, other) in enumerate(zip(donor.sections, donor.names, strict=True))
             if other == name or (s[1], s[2]) == (kind, parts.sections[index][2])]  # fmt: skip
    source = bytes(donor.contents[draw(st.sampled_from(alike))]) if alike else b""
    if name == ".BTF" and draw(st.integers(0, 4)):
        _edit_btf(draw, data, source)
    elif name == ".BTF.ext" and draw(st.integers(0, 4)):
        _edit_ext(draw, data, source)
    else:
        unit = _UNITS.get(kind, 4 if name.startswith(".BTF") else 8)
        _edit(draw, data, draw(st.sampled_from([unit, unit, unit, 1])), source)


def _edit_section_header(draw: Draw, data: bytearray, donor: bytes) -> None:
    start = int.from_bytes(data[_E_SHOFF : _E_SHOFF + 8], "little")
    headers = data[start:]
    if len(headers) >= _SHDR.size:
        _edit(draw, headers, _SHDR.size, bytes(headers))
        data[start:] = headers


def _edit_file_header(draw: Draw, data: bytearray, donor: bytes) -> None:
    header = data[:_EHDR_SIZE]
    if header:
        draw(st.sampled_from([_flip, _word]))(draw, header, 1, b"")
        data[:_EHDR_SIZE] = header


def _edit_file(draw: Draw, data: bytearray, donor: bytes) -> None:
    _edit(draw, data, draw(st.sampled_from([1, 8])), donor)


@dataclass(frozen=True)
class Case:
    """A damaged object and how it is verified: with which log, type and constants."""

    name: str
    data: bytes = field(repr=False)
    log: str = "none"
    type: str | None = None
    constants: tuple[tuple[str, str], ...] = ()


@st.composite
def cases(draw: Draw, good: Good) -> Case:
    names = st.sampled_from(sorted(good))
    name = draw(names)
    parts, donor = apart(good[name]), good[draw(names)]
    rough = draw(st.integers(0, 3)) == 0
    for _ in range(draw(st.integers(0 if rough else 1, 3))):
        _edit_section(draw, parts, apart(donor))
    data = parts.together()
    for _ in range(draw(st.integers(1, 2)) if rough else 0):
        edit = draw(st.sampled_from([_edit_section_header] * 4 + [_edit_file_header, _edit_file]))
        edit(draw, data, donor)
    constants = name == "globals" and draw(st.integers(0, 3)) == 0
    return Case(
        name,
        bytes(data),
        draw(st.sampled_from(["none"] * 7 + ["auto"])),
        draw(st.sampled_from([None] * 7 + ["xdp"])),
        CONSTANTS if constants else (),
    )


CONSTANTS = (("limit", "3"),)


# --- A process with limits ---------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What became of a case. outcome: in a word or two. wrong: what should not be, "" where all is well;
    details: for people. wall, user, system: seconds; wall without those when another process had the
    processor. memory: the most bytes of address space so far;
    resident: of those in memory. maps: bytes of the kernel's memory that maps took."""

    outcome: str
    wrong: str = ""
    details: str = ""
    wall: float = 0.0
    user: float = 0.0
    system: float = 0.0
    memory: int = 0
    resident: int = 0
    maps: int = 0


# BPF_MAP_TYPE_*: percpu_hash, percpu_array, lru_percpu_hash, percpu_cgroup_storage, linux/bpf.h
_PER_CPU = (5, 6, 10, 21)


class Ended(Exception):
    """The child is gone: a case took too long, or the interpreter came to harm."""


class Child:
    """A process that verifies one case after the other, with at most MEMORY of address space."""

    def __init__(self) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the child
        packages = (str(Path(package.__path__[0]).parent) for package in (bpfline, bpfline_loader))
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(packages)},
        )

    def ask(self, case: Case) -> Answer:
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            # As tuples: the module has another name where it is run by hand.
            pickle.dump(astuple(case), self._process.stdin)
            self._process.stdin.flush()
            answer = Answer(*pickle.load(self._process.stdout))
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):
            self._process.wait()
            self._errors.seek(0)
            said = self._errors.read().decode(errors="replace")[-_SHOWN:]
            self.close()
            raise Ended(f"ended with {self._process.returncode}\n{said}") from None
        return answer

    def close(self) -> None:
        """Nothing more to do: the child ends by itself."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()
        self._errors.close()


def _serve() -> None:
    """A child's life: a Case on standard input, an Answer on standard output."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.enable()
    faulthandler.register(signal.SIGALRM, chain=True)
    made = _count_map_memory()
    with tempfile.TemporaryDirectory(prefix="damaged-", dir=_memory_folder()) as folder:
        while True:
            try:
                case = Case(*pickle.load(requests))
            except EOFError:
                return
            pickle.dump(astuple(_limited(case, Path(folder), made)), answers)
            answers.flush()


def _memory_folder() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


class _Maps(list[int]):
    """The bytes of the kernel's memory that each map of one case took. kept: whether one was not made."""

    kept = False


def _count_map_memory() -> _Maps:
    """The kernel's memory is not in RLIMIT_AS, and it makes a map of a million entries where max_entries
    says so, as for libbpf. One that would keep the machine from others is answered as by a small machine."""
    made, create = _Maps(), bpf_map.map_create

    def counted(wanted: MapAttr) -> int:
        copies = os.cpu_count() or 1 if wanted.map_type in _PER_CPU else 1
        size = wanted.key_size + wanted.value_size * copies + 64
        if wanted.max_entries * size > MEMORY or wanted.max_entries * copies > 1 << 20:
            made.kept = True
            raise OSError(errno.ENOMEM, "too large for this run")
        fd = create(wanted)
        memory = re.search(r"^memlock:\t(\d+)$", Path(f"/proc/self/fdinfo/{fd}").read_text(), re.M)
        made.append(int(memory[1]) if memory else 0)
        return fd

    setattr(maps, "map_create", counted)  # noqa: B010 - imported there
    return made


def _limited(case: Case, folder: Path, made: _Maps) -> Answer:
    path = folder / f"{case.name}.o"
    path.write_bytes(case.data)
    made.clear()
    made.kept = False
    before = _descriptors()
    signal.setitimer(signal.ITIMER_REAL, HARD)
    started, waited, used = time.monotonic(), _waited(), resource.getrusage(resource.RUSAGE_SELF)
    try:
        outcome, wrong, details = _judged(case, path)
    except BaseException as error:
        outcome, wrong, details = "exception", _signature(error), traceback.format_exc()
    outcome += ", a map kept from it" * made.kept
    waited = _waited() - waited
    wall, now = time.monotonic() - started - waited, resource.getrusage(resource.RUSAGE_SELF)
    signal.setitimer(signal.ITIMER_REAL, 0)
    left = _descriptors() - before
    if left and not wrong:
        wrong, details = "left open", repr(sorted(left))
    shutil.rmtree(folder / "logs", ignore_errors=True)
    status = Path("/proc/self/status").read_text()
    peak, resident = (int(re.search(rf"{key}:\s+(\d+) kB", status)[1]) << 10 for key in ("VmPeak", "VmHWM"))  # type: ignore[index]
    user, system = now.ru_utime - used.ru_utime, now.ru_stime - used.ru_stime
    return Answer(outcome, wrong, details[:_SHOWN], wall, user, system, peak, resident, sum(made))


def _waited() -> float:
    """Seconds that this process was ready and another had the processor (proc_pid_schedstat)."""
    return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9


def _descriptors() -> set[str]:
    """What this process has open, and of the kernel's objects their ids."""
    found = set()
    for path in list(Path("/proc/self/fd").iterdir()):
        with contextlib.suppress(OSError):
            target = str(path.readlink())
            about = Path("/proc/self/fdinfo", path.name).read_text() if "bpf" in target else ""
            found.add(" ".join([path.name, target, *KERNEL.findall(about)]))
    return found


def _signature(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    inside = [each for each in frames if "bpfline" in each.filename] or list(frames)
    return f"{type(error).__name__} at {Path(inside[-1].filename).name}:{inside[-1].lineno}"


_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_UNCLEAR = re.compile(r"MemoryError|RecursionError|Traceback|object at 0x")


def _judged(case: Case, path: Path) -> tuple[str, str, str]:
    """(outcome, what is wrong with it, details) of `bpfline verify` of one file."""
    out, err = io.StringIO(), io.StringIO()
    log_dir = None if case.log == "none" else path.parent / "logs"
    options = verify_files.Options(case.log, log_dir, case.type, dict(case.constants))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            judged = verify_files.run([path], options, jobs=1)
        except Problem as problem:
            said = str(problem)
            return "problem", _unclear(said), said
        for shape in ("table", "json"):
            verify_files.show(judged, shape)
    with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), "utf-8")):
        verify_files.show(judged, "csv")
    said, shown = err.getvalue(), out.getvalue()
    details = f"{said}\n{shown}"
    wrong = _unclear(said) or _unclear(shown)
    if not all(re.match(r".*\b(?:error|warning|note): |  help: ", line) for line in said.split("\n") if line):
        wrong = wrong or "a line that is no message"
    if any(not row.program for row in judged.verdicts):
        errors = re.findall(r"\berror: ", said)
        wrong = wrong or ("" if len(errors) == len(judged.verdicts) == 1 else "not one clear error")
        return "unreadable", wrong, details
    if not judged.verdicts:
        wrong = wrong or ("" if judged.said or said else "neither rows nor a word")
        return "left out", wrong, details
    found = {row.verdict for row in judged.verdicts}
    return "rows: " + "+".join(sorted(found)), wrong, details


def _unclear(text: str) -> str:
    """Whether a terminal would take some of it for more than text, or a person for a crash."""
    found = _CONTROL.search(text) or _UNCLEAR.search(text)
    return f"says {found[0]!r}" if found else ""


# --- By hand -----------------------------------------------------------------------------------


@dataclass
class Tally:
    """What became of many cases. slowest: (wall, user, system, name)."""

    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    words: Counter[str] = field(default_factory=Counter)
    slowest: tuple[float, float, float, str] = (0.0, 0.0, 0.0, "")
    memory: int = 0
    resident: int = 0
    maps: int = 0

    def add(self, other: Tally) -> None:
        self.outcomes += other.outcomes
        self.wrong += other.wrong
        self.words += other.words
        self.slowest = max(self.slowest, other.slowest)
        self.memory, self.resident = max(self.memory, other.memory), max(self.resident, other.resident)
        self.maps = max(self.maps, other.maps)

    def __str__(self) -> str:
        wall, user, system, name = self.slowest
        return (
            f"slowest {wall * 1000:.0f} ms ({user * 1000:.0f} user, {system * 1000:.0f} system, {name}), "
            f"{self.memory >> 20} MiB of address space, {self.resident >> 20} MiB resident, "
            f"{self.maps >> 20} MiB of maps, {self.wrong.total()} wrong"
        )


@contextmanager
def child() -> Iterator[Callable[[Case], Answer]]:
    """Gives a function that has a case verified, by another child where one ended."""
    process: list[Child] = []

    def ask(case: Case) -> Answer:
        if not process:
            process.append(Child())
        try:
            return process[0].ask(case)
        except Ended as error:
            process.clear()
            return Answer("ended", "ended", str(error), HARD)

    try:
        yield ask
    finally:
        for each in process:
            each.close()


def checked(ask: Callable[[Case], Answer], case: Case) -> Answer:
    """The answer; a case that took long is asked again, for the kernel has other work too."""
    answer = ask(case)
    if SLOW < answer.wall < HARD:
        answer = min(answer, ask(case), key=lambda each: each.wall)
    if answer.wall > SLOW and not answer.wrong:
        return Answer(**{**vars(answer), "wrong": "slow"})
    return answer


def _batch(job: tuple[int, int, Path]) -> Tally:
    """So many cases, of the seed's kind."""
    number, size, failures = job
    tally, good = Tally(), good_objects()
    with child() as ask:
        for name, data in sorted(good.items()):
            ready = ask(Case(name, data))
            assert ready.outcome == "rows: accepted" and not ready.wrong, (name, ready)

        @seed(number)
        @settings(
            max_examples=size,
            phases=[Phase.generate],
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(cases(good))
        def run(case: Case) -> None:
            answer = checked(ask, case)
            tally.add(
                Tally(
                    Counter({answer.outcome: 1}),
                    Counter({answer.wrong: 1} if answer.wrong else {}),
                    Counter(_first_error(answer.details)),
                    (answer.wall, answer.user, answer.system, case.name),
                    answer.memory,
                    answer.resident,
                    answer.maps,
                )
            )
            if answer.wrong:
                _save(failures, case, answer)

        run()
    return tally


def _first_error(details: str) -> dict[str, int]:
    """What was said of a file, without what differs from one to the other."""
    found = re.search(r"error: (.*)", details)
    return {re.sub(r"0x[0-9a-f]+|-?\d+|'.*'|\S*[^\x20-\x7e]\S*", "N", found[1])[:90]: 1} if found else {}


def _save(failures: Path, case: Case, answer: Answer) -> None:
    failures.mkdir(parents=True, exist_ok=True)
    kind = re.sub(r"\W+", "-", answer.wrong)
    if len(list(failures.glob(f"{kind}.*.o"))) < 5:
        path = failures / f"{kind}.{hashlib.sha256(case.data).hexdigest()[:8]}.o"
        path.write_bytes(case.data)
        path.with_suffix(".txt").write_text(f"{case}\n{answer}\n{answer.details}\n")


def main() -> int:
    parser = argparse.ArgumentParser(description="Verify damaged objects, on all processors.")
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first batch")
    parser.add_argument("--batch", type=int, default=1000, help="cases of one child")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--failures", type=Path, default=Path(tempfile.gettempdir(), "damaged-objects"))
    parser.add_argument("--words", action="store_true", help="show what was said, and how often")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        _serve()
        return 0
    os.nice(10)
    good_objects()
    batches = -(-options.cases // options.batch)
    jobs = [(options.seed + index, options.batch, options.failures) for index in range(batches)]
    total, started = Tally(), time.monotonic()
    with multiprocessing.get_context("fork").Pool(options.jobs) as pool:
        for tally in pool.imap_unordered(_batch, jobs):
            total.add(tally)
            done, seconds = total.outcomes.total(), time.monotonic() - started
            print(f"{done} cases, {done / seconds:.0f} a second; {total}", flush=True)
    for counted in (total.outcomes, total.wrong, total.words if options.words else Counter[str]()):
        print(*(f"{count:8} {what}" for what, count in counted.most_common()), sep="\n")
    if total.wrong:
        print(f"what went wrong is in {options.failures}")
    return int(bool(total.wrong))


if __name__ == "__main__":
    sys.exit(main())
