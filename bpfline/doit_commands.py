# SPDX-License-Identifier: Apache-2.0
"""doit's own commands in a project of bpfline's; elsewhere each is what doit made it.

`run` builds, and when it was asked for by name alone it then loads and attaches. All of them lower
themselves from root to the project's owner, say a wrong command line in one line, and end without a
traceback on Ctrl-C and on a closed pipe.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path
from typing import Any

from doit import (
    cmd_clean,
    cmd_dumpdb,
    cmd_forget,
    cmd_ignore,
    cmd_info,
    cmd_list,
    cmd_resetdep,
    cmd_run,
    cmd_strace,
)
from doit.cmd_base import CmdOption, DoitCmdBase, check_tasks_exist
from doit.cmdparse import CmdParse, CmdParseError
from doit.exceptions import InvalidCommand, InvalidDodoFile, InvalidTask

from bpfline_loader.started import ends_as_interrupt, replace_closed_streams

from . import build_folder, compile, task_options  # noqa: A004
from .errors import CLOSED_PIPE, INTERRUPTED, OK, REFUSED, UNABLE, USAGE, Problem, SettingsError
from .lock import project_lock
from .process import stop_all
from .progress import ExitStatus
from .project import BUILD, Project, Source
from .settings import near
from .sweep import sweep
from .terminal import say


class _InProject(DoitCmdBase):
    """What the commands below have in common. ours() is the command in a project of bpfline's."""

    def parse_execute(self, words: list[str]) -> Any:
        try:
            return super().parse_execute(words)
        except CmdParseError as error:
            say(str(SettingsError(_one_line(error), where="doit", help=f"doit help {self.name}")))
            return USAGE

    def execute(self, params: Any, args: list[str]) -> Any:
        replace_closed_streams()
        self.loader.setup(params)
        pipeline = self.loader.load_doit_config().get("bpfline")
        if pipeline is None:
            return self.elsewhere(params, args)
        return _guarded(lambda: self._in(pipeline, params, args))

    def elsewhere(self, params: Any, args: list[str]) -> Any:
        return super().execute(params, args)

    def _in(self, pipeline: Any, params: Any, args: list[str]) -> Any:
        build_folder.prepare(pipeline.project.root)
        try:
            return self.ours(pipeline, params, args)
        except InvalidCommand as error:
            raise self._wrong(error) from None
        except (InvalidDodoFile, InvalidTask) as error:
            raise SettingsError(str(error)) from None

    def _wrong(self, error: InvalidCommand) -> Problem:
        what, _, help_ = str(error).partition("\n")
        found = re.fullmatch(r"'(.*)' is not a task\.", what)
        name = found[1] if found else error.not_found
        if name is None:
            return SettingsError(what, help=help_)
        known = [task.name for task in self.task_list if ":" in name or not task.subtask_of]
        return SettingsError(f"there is no task or target '{name}'", help=near(name, known))

    def ours(self, pipeline: Any, params: Any, args: list[str]) -> Any:
        return super().execute(params, args)


class List(_InProject, cmd_list.List):
    pass


class Info(_InProject, cmd_info.Info):
    def _execute(self, pos_args: list[str], hide_status: bool = False) -> Any:
        check_tasks_exist([task.name for task in self.task_list], pos_args[:1])
        return super()._execute(pos_args, hide_status)


class DumpDB(_InProject, cmd_dumpdb.DumpDB):
    pass


class Strace(_InProject, cmd_strace.Strace):
    pass


class Ignore(_InProject, cmd_ignore.Ignore):
    def ours(self, pipeline: Any, params: Any, args: list[str]) -> Any:
        with _locked(pipeline.project):
            return super().ours(pipeline, params, args)


class ResetDep(_InProject, cmd_resetdep.ResetDep):
    def ours(self, pipeline: Any, params: Any, args: list[str]) -> Any:
        with _locked(pipeline.project):
            return super().ours(pipeline, params, args)


class Forget(_InProject, cmd_forget.Forget):
    """Without a task's name it forgets all: `build`, the default, has nothing to forget but its parts."""

    def ours(self, pipeline: Any, params: Any, args: list[str]) -> Any:
        if not args:
            params["forget_all"] = True
        with _locked(pipeline.project):
            return super().ours(pipeline, params, args)


class Clean(_InProject, cmd_clean.Clean):
    """Without a task's name it empties build/, whatever stands there."""

    def ours(self, pipeline: Any, params: Any, args: list[str]) -> Any:
        with _locked(pipeline.project):
            if args or params["cleanall"]:
                return super().ours(pipeline, params, args)
            for path in sorted((pipeline.project.root / BUILD).iterdir()):
                if path.name != build_folder.GITIGNORE:
                    self._remove(path, params["dryrun"])
        return OK

    def _remove(self, path: Path, dry: bool) -> None:
        print(f"removing {path.relative_to(Path.cwd())}" + (" (dry run)" if dry else ""))
        if dry:
            return
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _seconds(text: str) -> float:
    if not re.fullmatch(r"\d{1,9}(\.\d+)?", text):
        raise ValueError(f"'{text}' is no number of seconds")
    return float(text)


_PROG = {
    "name": "prog", "long": "prog", "short": "", "type": str, "default": None,
    "help": "with a bare `doit run`: load and attach this object's programs only",
}  # fmt: skip
_FOR = {
    "name": "for_", "long": "for", "short": "", "type": _seconds, "default": None,
    "help": "with a bare `doit run`: end after this many seconds",
}  # fmt: skip


_SET = {
    "name": "set_", "long": "set", "short": "", "type": list, "default": [],
    "help": "with a bare `doit run` and with `verify`: NAME=VALUE for a global variable, before it is loaded",
}  # fmt: skip


class Run(_InProject, cmd_run.Run):
    doc_purpose = "run tasks; a bare `doit run` builds, then loads, attaches and shows what programs say"
    doc_usage = "[--prog OBJECT] [--for SECONDS] [--set NAME=VALUE] | [TASK/TARGET...]"
    cmd_options = (*cmd_run.Run.cmd_options, _PROG, _FOR, _SET)

    verify_options: dict[str, Any] = {}  # noqa: RUF012 - replaced, never changed
    cost_options: Any = None
    baseline_as_json = False
    help_of = ""  # the task that --help was asked for

    def parse_execute(self, words: list[str]) -> Any:
        self._words = words
        words = _with_values(words)
        if {"--help", "-h"} & set(words):
            self.help_of = next((task for task in task_options.DOCS if _is_asked_for(task, words)), "")
        if self.help_of:
            words = [self.help_of]
        if any(word == "verify" or word.startswith("verify:") for word in words):
            self.verify_options, words = _verify_options(words)
        elif _is_asked_for("baseline", words):
            self.baseline_as_json = "--json" in words
            words = [word for word in words if word != "--json"]
        elif _is_asked_for("cost", words):
            self.cost_options, words = _cost_options(words)
            if not words:
                return USAGE
        return super().parse_execute(words)

    def elsewhere(self, params: Any, args: list[str]) -> Any:
        # That project's tasks have options of their own.
        if self.verify_options or self.cost_options or self.baseline_as_json or self.help_of:
            params, args = self.cmdparser.parse(self._words)
            params.update(self.opt_vals)
        return super().elsewhere(params, args)

    def get_reporters(self) -> dict[str, Any]:
        reporters = super().get_reporters()
        return {name: type(name, (ExitStatus, reporter), {}) for name, reporter in reporters.items()}

    def ours(self, pipeline: Any, params: Any, args: list[str]) -> Any:
        if self.help_of:
            print(task_options.text(self.help_of))
            return OK
        asked = self._asked_by_name() and not args
        chosen = params["prog"]
        if not asked and (chosen is not None or params["for_"] is not None or params["set_"]):
            raise SettingsError("--prog, --for and --set go with a bare `doit run`", help="doit run --for 5")
        if self.verify_options:
            pipeline.log, pipeline.again = self.verify_options["log"], self.verify_options["again"]
            _check_mode(pipeline.log)
        pipeline.as_json = self.baseline_as_json
        if words := self.verify_options.get("set", params["set_"]):
            from . import set_option

            pipeline.constants = set_option.parse(words)
        with _locked(pipeline.project):
            objects = {source.object: source for source in pipeline.project.sources}
            if chosen is not None and chosen not in objects:
                raise SettingsError(f"there is no object '{chosen}'", help=near(chosen, objects))
            sweep(pipeline.project)
            for warning in pipeline.project.warnings():
                say(warning)
            super().ours(pipeline, params, [f"build:{chosen}"] if chosen else args)
            status = ExitStatus.status
            if pipeline.project.settings.set:
                from . import set_option

                for warning in set_option.warnings(pipeline.project):
                    say(warning)
            if objects and status in (OK, REFUSED):
                compile.write_compile_commands(pipeline.project)
            rest = self._judge_rest(pipeline, args) if self.verify_options else {}
            untried = self._untried(pipeline, args) if self.verify_options else []
            bundles: list[Any] = []
            others: dict[str, Any] = {}
            if asked and status == OK:
                from . import running

                bundles, others = running.bundles(pipeline, chosen)
        if self.verify_options:
            status = max(status, ExitStatus.status, self._judge(pipeline, untried, rest))
            if pipeline.constants:
                from . import set_option

                objects_made = [source.object_file for source in objects.values()]
                set_option.check(pipeline.constants, objects_made)
        if self.baseline_as_json and pipeline.taken:
            import json

            print(json.dumps(pipeline.taken.to_json(), indent=1))
        if self.cost_options:
            from .cost import project as cost

            found = sorted(pipeline.costs, key=lambda each: each.verdict.object)
            status = max(status, cost.show(found, self.cost_options))
        if bundles:
            status = running.run(pipeline.project, bundles, seconds=params["for_"], others=others.__getitem__)
        return status

    def _asked_by_name(self) -> bool:
        """Whether the command line said `run`: doit runs this command for `doit` and `doit build` too."""
        words = sys.argv[1:]
        try:
            _, words = CmdParse([CmdOption(option) for option in self.loader.cmd_options]).parse_only(words)
        except CmdParseError:
            return False
        return next((word for word in words if word.startswith("-") or "=" not in word), "") == "run"

    def _judge_rest(self, pipeline: Any, args: list[str]) -> dict[str, Any]:
        """Verify what could be made of objects that were to be verified and could not be built as a whole,
        and those whose programs extend theirs; gives the bundles of the former."""
        from . import pipeline as pipeline_
        from . import unmade

        bundles = {}
        judged = {row.object for row in pipeline.verdicts}
        for source in pipeline.project.sources:
            if source.object in judged or not _to_be_verified(source, args):
                continue
            if source in pipeline.unmade:
                with suppress(Problem):  # of the object as a whole: its audit said so
                    found = unmade.judge(
                        *(pipeline.project, source, pipeline.constants),
                        log=pipeline.log,
                        again=pipeline.again,
                        others=pipeline.other,
                    )
                    pipeline.verdicts += found.verdicts
                    bundles[source.object] = found.bundle
            elif source.extended and f"config:{source.object}" in ExitStatus.made:
                try:
                    pipeline_.verify_object(source)
                except Problem as problem:
                    say(str(problem))
                    ExitStatus.problems[f"verify:{source.object}"] = problem
                    ExitStatus.status = max(ExitStatus.status, problem.status)
        return bundles

    def _untried(self, pipeline: Any, args: list[str]) -> list[Any]:
        """A row for each object that was to be verified and has no verdict."""
        from . import untried

        judged = {row.object for row in pipeline.verdicts}
        sources = [
            source
            for source in pipeline.project.sources
            if source.object not in judged and _to_be_verified(source, args)
        ]
        return untried.rows(sources, ExitStatus.problems)

    def _judge(self, pipeline: Any, untried: list[Any], rest: dict[str, Any]) -> int:
        """Show the verdicts in the order of their objects; the exit status that they ask for."""
        from . import gate, report

        found = sorted([*pipeline.verdicts, *untried], key=lambda row: row.object)
        judged = gate.of_project(pipeline.project, found, compared=not pipeline.constants)
        results = gate.into(report.of_project(pipeline.project, found, rest), judged)
        gate.show(judged, results, as_json=self.verify_options["json"])
        status = max(judged.status, report.write(results, report.FOLDER))
        say(gate.summed_up(judged, report.FOLDER / "index.html"))
        return status


def _to_be_verified(source: Source, args: list[str]) -> bool:
    return any(word == "verify" or fnmatch(f"verify:{source.object}", word) for word in args)


def _is_asked_for(task: str, words: list[str]) -> bool:
    """Whether words name a task, or a part of it; an object may bear the same name."""
    return any(
        (word == task or word.startswith(f"{task}:")) and before != "--prog"
        for before, word in zip(["", *words], words, strict=False)
    )


def _with_values(words: list[str]) -> list[str]:
    """words with "--set=NAME=VALUE": doit took NAME=VALUE behind --set for a variable of its own before
    any command saw it (DoitMain.process_args)."""
    values = [value for word, value in pairwise([*sys.argv[1:], ""]) if word == "--set"]
    given: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--set" and values:
            value = values.pop(0)
            if value and "=" not in value:
                next(rest, None)  # doit left it
            word = f"--set={value}"
        given.append(word)
    return given


def _one_line(error: CmdParseError) -> str:
    """doit's words, without the representation of every option that there is, and of types."""
    words = str(error).partition(" (parsing")[0].replace("'for_'", "'for'").replace("'set_'", "'set'")
    return " ".join(re.sub(r" <(?:class|function) [^>]*>\.", ":", words).split())


def _verify_options(words: list[str]) -> tuple[dict[str, Any], list[str]]:
    """(options of verify, the other words): they may stand before or behind the task's name, as
    people write them; doit itself would want them between the task and the next."""
    import argparse

    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--log", nargs="?", default="auto", const="")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    options, rest = parser.parse_known_args(words)
    return vars(options), rest


def _cost_options(words: list[str]) -> tuple[Any, list[str]]:
    """As _verify_options, for the task cost."""
    import argparse

    from .cost import project as cost

    try:
        return cost.options(words)
    except argparse.ArgumentError as error:
        say(f"doit cost: error: {error}")
        return None, []


def _check_mode(mode: str) -> None:
    from bpfline_loader.log import MODES

    if mode not in MODES:
        raise SettingsError(f"--log is '{mode}'", help=near(mode, MODES))


def _locked(project: Project) -> Any:
    return project_lock(project.root, lambda holder: say(f"waiting for {holder}, which builds here"))


def _guarded(command: Callable[[], Any]) -> Any:
    """The command's exit status, whatever ends it; SIGTERM and SIGHUP end it as Ctrl-C does."""
    before = ends_as_interrupt()
    try:
        status = command()
        sys.stdout.flush()
        return status
    except Problem as problem:
        say(str(problem))
        return problem.status
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # once is enough
        stop_all()
        say("doit: interrupted; what was done is kept")
        return INTERRUPTED
    except BrokenPipeError:
        _leave_standard_output()
        return CLOSED_PIPE
    except OSError as error:
        say(f"{error.filename or 'doit'}: error: {error.strerror or error}")
        _leave_standard_output()
        return UNABLE
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave_standard_output() -> None:
    """Nobody reads on, or its disk is full: Python would complain once more when it flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
