# SPDX-License-Identifier: Apache-2.0
"""The command line of bpfline: its commands, and how each way to end becomes an exit status.

What a command needs is imported when it runs: bpfline starts in the time that Python takes.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from bpfline_loader.started import ends_as_interrupt, replace_closed_streams

from . import __version__
from .errors import CLOSED_PIPE, INTERRUPTED, OK, UNABLE, USAGE, Problem


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # argparse's own status is 2, which is ours for "could not do its work".
        raise Problem(message, where=self.prog, help=f"{self.prog} --help", status=USAGE)


@dataclass(frozen=True)
class _Command:
    """A row of the command line. run gives the exit status."""

    name: str
    help: str
    arguments: Callable[[argparse.ArgumentParser], object]
    run: Callable[[argparse.Namespace], int]


def _doctor(args: argparse.Namespace) -> int:
    from . import doctor, settings

    found = list(doctor.checks(settings.read(Path.cwd())))
    print(doctor.to_json(found) if args.json else doctor.to_text(found))
    return doctor.status(found)


def _verify(args: argparse.Namespace) -> int:
    from . import verify_files

    log_dir = args.log_dir or (args.report and args.report / "logs")  # reports tell what logs say
    if args.log is not None and log_dir is None:
        raise Problem("wants --log-dir", where="--log", help="--log-dir DIR", status=USAGE)
    if args.type is not None:
        _check_type(args.type)
    _lower_to_owner(log_dir)
    options = verify_files.Options(
        log="none" if log_dir is None else args.log or "auto",
        log_dir=log_dir,
        report=args.report is not None,
        reasons=not args.csv,
        type=args.type,
        constants=verify_files.constants(args.set),
    )
    judged = verify_files.run(args.files, options, jobs=args.jobs)
    verify_files.show(judged, "json" if args.json else "csv" if args.csv else "table")
    if args.report is None:
        return judged.status
    from . import report

    return max(judged.status, report.write(report.Results(judged.results), args.report))


def _lower_to_owner(log_dir: Path | None) -> None:
    """Under sudo, work as the user whose folder the logs go to, or who stands here; loading raises itself."""
    from bpfline_loader import privileges

    folder = Path.cwd() if log_dir is None else log_dir.absolute()
    privileges.lower_to_owner([next(each for each in (folder, *folder.parents) if each.exists())])


def _check_type(name: str) -> None:
    from bpfline_loader.bpf import PROG_TYPES

    from .settings import near

    known = PROG_TYPES.keys() - {"unspec"}
    if name not in known:
        raise Problem(
            f"is no type of programs: '{name}'", where="--type", help=near(name.lower(), known), status=USAGE
        )


def _verify_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="an object, as clang -c made it")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="the verdicts for programs to read")
    shape.add_argument("--csv", action="store_true", help="the same, one line for each program")
    parser.add_argument("--log-dir", type=Path, metavar="DIR", help="keep the verifier's logs there")
    parser.add_argument("--report", type=Path, metavar="DIR", help="write reports there: docs/reports.md")
    parser.add_argument(
        "--log", choices=("auto", "full", "short", "refused", "none"), help="which logs (auto)"
    )
    parser.add_argument(
        "--type", metavar="TYPE", help="of freplace, and of programs whose section does not tell"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a global variable, before loading"
    )
    parser.add_argument("-j", "--jobs", type=_jobs, metavar="N", help="worker processes (one per processor)")


def _whole(text: str, least: int, what: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) < least:
        raise argparse.ArgumentTypeError(f"'{text}' is not {what}: {least} or more")
    return int(text)


def _jobs(text: str) -> int:
    return _whole(text, 1, "a number of workers")


def _cost(args: argparse.Namespace) -> int:
    from .cost import saved

    return saved.run(args.log, object_file=args.object, program=args.program, top=args.top, as_json=args.json)


def _cost_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("log", nargs="?", metavar="LOG", help="a verifier log of level 2; - for a pipe")
    parser.add_argument("--object", type=Path, metavar="FILE.o", help="the object, for exact places")
    parser.add_argument(
        "--program", metavar="NAME", help="which of its programs, where the log does not tell"
    )
    parser.add_argument("--top", type=_rows, default=10, metavar="N", help="rows of each table (10)")
    parser.add_argument("--json", action="store_true", help="for programs to read")


def _rows(text: str) -> int:
    return _whole(text, 0, "a number of rows")


def _compare(args: argparse.Namespace) -> int:
    from . import compare_files

    shape = "json" if args.json else "csv" if args.csv else "table"
    return compare_files.run((args.a, args.b), shape=shape, whole=args.all, across=args.across)


def _compare_arguments(parser: argparse.ArgumentParser) -> None:
    help_ = "a verdict.json, what --json or --csv printed, or a folder such as build"
    parser.add_argument("a", type=Path, metavar="A", help=help_)
    parser.add_argument("b", type=Path, metavar="B", help="the other, which is newer")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="for programs to read")
    shape.add_argument("--csv", action="store_true", help="one line for each figure that changed")
    parser.add_argument("--all", action="store_true", help="also what did not change")
    parser.add_argument("--across", action="store_true", help="although they are of different kernels")


def _explain(args: argparse.Namespace) -> int:
    from . import explain

    return explain.run(
        args.log, object_file=args.object, program=args.program, full=args.full, as_json=args.json
    )


def _explain_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "log", nargs="?", metavar="LOG", help="a saved log, - for standard input, or a code such as BPF012"
    )
    parser.add_argument("--object", type=Path, metavar="FILE.o", help="its object, for exact lines")
    parser.add_argument("--program", metavar="NAME", help="of the log or the object, if they have several")
    parser.add_argument("--full", action="store_true", help="every step, and the log")
    parser.add_argument("--json", action="store_true", help="for programs to read")


def _completion(args: argparse.Namespace) -> int:
    from . import completion

    print(completion.SHELLS[args.shell](_words()), end="")
    return OK


_COMMANDS = (
    _Command(
        "verify",
        "have the running kernel's verifier judge objects built elsewhere",
        _verify_arguments,
        _verify,
    ),
    _Command("cost", "say where the verifier spent its work, from a saved log", _cost_arguments, _cost),
    _Command("compare", "say what changed between two results", _compare_arguments, _compare),
    _Command(
        "explain",
        "say in plain words what a verifier log tells, whoever loaded the program; or what a code means",
        _explain_arguments,
        _explain,
    ),
    _Command(
        "doctor",
        "say what this machine has of what bpfline needs, and what to do about the rest",
        lambda parser: parser.add_argument("--json", action="store_true", help="for programs to read"),
        _doctor,
    ),
    _Command(
        "completion",
        "print a completion script for a shell",
        lambda parser: parser.add_argument("shell", choices=("bash", "zsh", "fish")),
        _completion,
    ),
)


def main(argv: list[str] | None = None) -> int:
    """Run the command that argv (sys.argv by default) names; returns the exit status."""
    replace_closed_streams()
    ends_as_interrupt()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a name that the terminal cannot show is no reason to fail
            stream.reconfigure(errors="backslashreplace")
    try:
        status = _run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
        return status
    except Problem as problem:
        print(problem, file=sys.stderr)
        return problem.status
    except KeyboardInterrupt:
        print("bpfline: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        _drop_output()
        return CLOSED_PIPE
    except OSError as error:
        _drop_output()
        print(Problem(error.strerror or str(error), where=error.filename or "bpfline"), file=sys.stderr)
        return UNABLE


def _run(argv: list[str]) -> int:
    parser, _ = _parsers()
    command = next((word for word in argv if not word.startswith("-")), None)
    if command is not None and command not in {row.name for row in _COMMANDS}:
        from .settings import near

        raise Problem(
            f"there is no command '{command}'",
            where="bpfline",
            help=near(command, [row.name for row in _COMMANDS]),
            status=USAGE,
        )
    try:
        args = parser.parse_args(argv)
    except SystemExit as end:  # after --help and --version
        return OK if end.code is None else int(end.code)
    if args.command is None:
        parser.print_help(sys.stderr)
        return USAGE
    run: Callable[[argparse.Namespace], int] = args.run
    return run(args)


def _parsers() -> tuple[_Parser, dict[str, _Parser]]:
    """The parser of the whole line, and that of each command."""
    parser = _Parser(prog="bpfline", description="A build pipeline for eBPF programs.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"bpfline {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    each = {}
    for row in _COMMANDS:
        one = commands.add_parser(row.name, help=row.help, description=row.help, allow_abbrev=False)
        one.set_defaults(run=row.run)
        row.arguments(one)
        each[row.name] = one
    return parser, each


def _words() -> dict[str, tuple[str, ...]]:
    """What may follow each command, and under "" what may come first."""
    parser, each = _parsers()
    words = {name: _own_words(one) for name, one in [("", parser), *each.items()]}
    from .catalogue import CATALOGUE

    return {**words, "explain": (*words["explain"], *(entry.code for entry in CATALOGUE))}


def _own_words(parser: argparse.ArgumentParser) -> tuple[str, ...]:
    # argparse has no public list of them; _actions is what argcomplete and shtab read.
    return tuple(
        word for action in parser._actions for word in (*action.option_strings, *(action.choices or ()))
    )


def _drop_output() -> None:
    """Nobody reads standard output any more: keep Python from failing once more when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(nowhere, 1)
    os.close(nowhere)
