# SPDX-License-Identifier: Apache-2.0
"""A run: loads and attaches programs, shows what they print until it is told to end, and detaches."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from typing import TextIO

from . import errors, load, trace_pipe, tracefs, trailer
from .attach import attach, described, family, remove_left
from .attach_target import Others
from .bpffs import Pins
from .bundle import Bundle, Program
from .errors import Problem, printable
from .object import opened
from .output import Output
from .stop import Stop
from .trace_pipe import TracePipe
from .tracefs import Tracefs

# Seconds after which trace_pipe is read though poll(2) says nothing: it has missed wake-ups (mended by
# "ring-buffer: Fix full_waiters_pending in poll", in v6.9).
_TICK = 0.2
# Seconds at most for what stands in trace_pipe before a run and at its end: others' events may never cease.
_GRACE = 2.0


def run(
    bundles: Sequence[Bundle],
    *,
    seconds: float | None = None,
    out: TextIO | None = None,
    err: TextIO | None = None,
    others: Others | None = None,
) -> int:
    """Load and attach every program of bundles and show what they print, on out, line by line.

    Ends with Ctrl-C, SIGTERM, SIGHUP, after seconds, or when nobody reads out any more; it never reads
    standard input. Whatever is loaded, attached or mounted hangs on file descriptors alone, so that
    nothing stays, however it ends; where an old kernel has no such way to attach, the next run removes
    what a killed one left. Maps that ask for it are pinned, and stay once a program is attached. Messages
    go to err (standard error). others: as for object.opened(). Main thread only.

    The exit status: 0; 1 where the verifier refused a program, and then nothing is attached; 2 where
    something else failed, as a program that could not be attached while others were.
    """
    err = err or sys.stderr
    try:
        with Stop() as stop, ExitStack() as stack:
            return _run(bundles, seconds, Output(out or sys.stdout), err, stop, stack, others)
    except Problem as problem:
        _tell(err, str(problem))
        return problem.status


def _run(
    bundles: Sequence[Bundle],
    seconds: float | None,
    out: Output,
    err: TextIO,
    stop: Stop,
    stack: ExitStack,
    others: Others | None,
) -> int:
    if not any(program.autoload for bundle in bundles for program in bundle.programs):
        raise Problem("there is no program to run", help="build one first")
    for line in remove_left():
        _tell(err, line)
    pins = Pins(stack)
    unless_attached = stack.enter_context(ExitStack())
    unless_attached.callback(pins.undo)
    loaded, status = _load_all(bundles, err, stack, pins, others)
    if status != errors.OK:
        if loaded:
            _tell(err, "not every program could be loaded: nothing is attached")
        return status
    files = stack.enter_context(tracefs.found())
    pipe = stack.enter_context(trace_pipe.reader(files))
    _warn_if_switched_off(files, err)
    older = pipe.pass_over(_GRACE)
    if older:
        _tell(err, f"passing over {_lines(older)} that stood in trace_pipe before")
    with ExitStack() as attachments:
        status, printed = _attach_all(loaded, files, out, err, attachments, pins.said)
        unless_attached.pop_all()
        if seconds is not None:
            stop.after(seconds)
        printed += _show(pipe, out, stop)
    printed += _show_rest(pipe, out, err)
    _tell(err, f"detached; {_lines(printed)} from the programs")
    return status


def _attach_all(
    loaded: Sequence[tuple[str, Program, int]],
    files: Tracefs,
    out: Output,
    err: TextIO,
    attachments: ExitStack,
    notes: Sequence[str],
) -> tuple[int, int]:
    """Attach what can be, and have attachments detach it: the status, and how many lines iterators said.

    What cannot be attached is told, and stops nothing else; Problem where nothing can. notes: what else
    is told where something is.
    """
    status = errors.OK
    said = []
    printed = 0
    for name, program, fd in loaded:
        if family(program) is None:
            _tell(err, f"{name}: loaded, not attached: run attaches no {described(program)} programs")
            continue
        try:
            attachment = attachments.enter_context(closing(attach(program, fd, files, name=name)))
        except Problem as problem:
            _tell(err, f"{name}: not attached: {problem}")
            status = max(status, problem.status)
            continue
        said.append(f"attached {name} to {printable(attachment.target)}")
        lines = attachment.text.splitlines()
        for line in lines:
            out.put(trace_pipe.shown(line))
        printed += len(lines)
    if not said:
        raise Problem("no program is attached", help="docs/running.md has what can be attached, and to what")
    _tell(err, "\n".join([*notes, *said]) + "; Ctrl-C ends")
    return status, printed


def _load_all(
    bundles: Sequence[Bundle], err: TextIO, stack: ExitStack, pins: Pins, others: Others | None
) -> tuple[list[tuple[str, Program, int]], int]:
    """Name, program and fd of each, which stack closes, and the status: one failure hides no other."""
    loaded = []
    status = errors.OK
    for bundle in bundles:
        try:
            present = pins.present(bundle)
            in_kernel = stack.enter_context(opened(bundle, present=present, others=others))
        except Problem as problem:
            _tell(err, str(problem))
            status = max(status, problem.status)
            continue
        fds = {}
        for program in bundle.programs:
            if not program.autoload:
                continue
            name = printable(f"{bundle.object}/{program.name}")
            try:
                attempt = in_kernel.load(program)
            except Problem as problem:
                _tell(err, str(problem))
                status = max(status, problem.status)
                continue
            if attempt.fd is None:
                for logged in attempt.log.splitlines():
                    _tell(err, trace_pipe.shown(logged))
                _tell(
                    err, str(Problem(f"{attempt.verdict} ({attempt.errno}): {attempt.message}", where=name))
                )
                status = max(status, errors.REFUSED if attempt.verdict == load.REFUSED else errors.UNABLE)
                continue
            stack.callback(os.close, attempt.fd)
            fds[program.name] = attempt.fd
            loaded.append((name, program, attempt.fd))
            _tell(err, f"{name}: {attempt.verdict}, {_summary(attempt.stats)}")
        if status == errors.OK:
            try:
                in_kernel.finish(fds)
                pins.pin(bundle, in_kernel.map_fds, present)
            except Problem as problem:
                _tell(err, str(problem))
                status = problem.status
    return loaded, status


def _summary(stats: trailer.Stats) -> str:
    """The verifier's figures, as far as this kernel gives them."""
    figures = {
        "{} insns processed": stats.processed_insns,
        "{} states": stats.total_states,
        "stack {}": stats.stack_depth,
        "{} usec": stats.verification_usec,
    }
    return ", ".join(words.format(figure) for words, figure in figures.items() if figure is not None)


def _warn_if_switched_off(files: Tracefs, err: TextIO) -> None:
    with suppress(OSError):  # it only serves a warning
        if files.read_text("tracing_on").strip() == "0":
            _tell(
                err,
                "warning: tracing is switched off on this machine, so that no line will come\n"
                f"  help: echo 1 > {files.where('tracing_on')}"
                + ("" if files.path else ", after " + tracefs.MOUNT_COMMAND),
            )


def _show(pipe: TracePipe, out: Output, stop: Stop) -> int:
    """Show lines until it is time to stop or nobody reads them. How many the programs printed."""
    printed = 0
    while not out.closed and not stop.asked():
        lines, _ = _step(pipe, out, min(_TICK, stop.left()), stop.fd)
        printed += lines
    return printed


def _show_rest(pipe: TracePipe, out: Output, err: TextIO) -> int:
    """Show what was printed before the programs were detached. How many lines of it are theirs."""
    printed = 0
    until = time.monotonic() + _GRACE
    more = True
    while not out.closed and (more or len(out)):
        left = until - time.monotonic()
        if left <= 0:
            _tell(err, f"stopped reading trace_pipe, where lines still come; {_lines(len(out))} not written")
            break
        lines, more = _step(pipe, out, left if len(out) else 0)
        printed += lines
    return printed


def _step(pipe: TracePipe, out: Output, timeout: float, *wakeup: int) -> tuple[int, bool]:
    """Wait for something to do, and do it: how many lines the programs printed, and if there may be more.

    Nothing is read while lines wait to be written: the kernel's buffer is the place for more, and when
    it is full the kernel says how many it lost.
    """
    poll = select.poll()
    for fd in wakeup if len(out) else (*wakeup, pipe.fd):
        poll.register(fd, select.POLLIN)
    if out.fd >= 0:
        poll.register(out.fd, out.interest())
    ready = dict(poll.poll(timeout * 1000))
    out.hear(ready.get(out.fd, 0))
    if out.closed:
        return 0, False
    if len(out):
        if ready.get(out.fd, 0) & select.POLLOUT:
            out.send()
        return 0, True
    lines = pipe.read()
    for line in lines or ():
        out.put(line.text)
    return sum(line.ours for line in lines or ()), lines is not None


def _lines(count: int) -> str:
    return "1 line" if count == 1 else f"{count} lines"


def _tell(err: TextIO, text: str) -> None:
    with suppress(OSError):  # nobody reads it: no reason to end, or not to detach
        print(text, file=err, flush=True)
