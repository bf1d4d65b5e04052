# SPDX-License-Identifier: Apache-2.0
"""The loader's own command line: python3 -m bpfline_loader run|verify BUNDLE..."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from . import bundle, errors, privileges, started
from .errors import Problem


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(errors.USAGE, f"{self.prog}: error: {message}\n  help: {self.prog} --help\n")


def seconds(text: str) -> float:
    """A length of time as --for takes it."""
    value = float(text)
    if not (math.isfinite(value) and value >= 0):
        raise ValueError
    return value


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from .verify import loader_digest

        print(f"bpfline_loader {loader_digest()[:12]}, for bundles of schema {bundle.SCHEMA}")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="bpfline_loader", description="Loads bundles into the running kernel.")
    parser.add_argument("--version", action=_Version, nargs=0, help="the loader's digest and its schema")
    commands = parser.add_subparsers(dest="command", required=True, metavar="run|verify")
    run = commands.add_parser("run", help="load, attach, and show what the programs print until Ctrl-C")
    run.add_argument("--for", dest="seconds", metavar="SECONDS", type=seconds, help="end after so long")
    verify = commands.add_parser("verify", help="have the kernel's verifier judge every program")
    verify.add_argument("--json", action="store_true", help="the verdicts as JSON")
    verify.add_argument("--log", choices=("auto", "full", "short", "refused", "none"), default="auto")
    verify.add_argument("--again", action="store_true", help="also what has not changed since the last time")
    for command in (run, verify):
        command.add_argument(
            "bundles", nargs="+", type=Path, metavar="BUNDLE", help="a folder with a loader.json"
        )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says. The exit status (docs/exit-status.md)."""
    given = _parser().parse_args(arguments)
    privileges.lower_to_owner(given.bundles)
    return _verify(given) if given.command == "verify" else _run(given)


def _run(given: argparse.Namespace) -> int:
    status, bundles = errors.OK, []
    for folder in given.bundles:
        try:
            bundles.append(bundle.read(folder))
        except Problem as problem:
            print(problem, file=sys.stderr)
            status = max(status, problem.status)
    if status != errors.OK:
        return status
    from .run import run

    return run(bundles, seconds=given.seconds)


def _verify(given: argparse.Namespace) -> int:
    import json

    from . import kernel, table, verdict, workers
    from .verify import NotKept, verify

    def judge(index: int) -> tuple[list[verdict.Verdict], str, int]:
        try:
            read = bundle.read(given.bundles[index])
            return verify(read, mode=given.log, again=given.again, running=running), "", errors.OK
        except NotKept as problem:
            return problem.results, str(problem), problem.status
        except Problem as problem:
            return [], str(problem), problem.status

    status, running = errors.OK, kernel.running()
    numbers = list(range(len(given.bundles)))
    found = dict(workers.each(judge, numbers, workers.count(len(numbers))))
    verdicts: list[verdict.Verdict] = []
    for number in numbers:
        result = found[number]
        if isinstance(result, workers.Crash):
            problem = Problem(f"its worker ended with {result.how}", where=given.bundles[number])
            result = [], str(problem), problem.status
        rows, said, its_status = result
        verdicts += rows
        status = max(status, its_status)
        if said:
            print(said, file=sys.stderr)
    if given.json:
        print(json.dumps(verdict.to_json(verdicts), indent=2))
    else:
        table.print_verdicts(verdicts, sys.stdout)
    return max(status, table.status(verdicts))


def _program() -> int:
    started.replace_closed_streams()
    try:
        status = main()
        sys.stdout.flush()
    except KeyboardInterrupt:
        status = errors.OK if "run" in sys.argv[1:2] else errors.INTERRUPTED
    except BrokenPipeError:
        status = errors.CLOSED_PIPE
    except OSError as error:
        # Without a file's name it is standard output: a full disk behind it, say.
        what = f"{error.strerror}" if error.filename else f"cannot be written: {error.strerror}"
        print(Problem(what, where=error.filename or "standard output"), file=sys.stderr)
        status = errors.UNABLE
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # its reader has left; Python would complain once more at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return status


if __name__ == "__main__":
    sys.exit(_program())
