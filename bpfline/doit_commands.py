# SPDX-License-Identifier: Apache-2.0
"""doit's own commands in a project of bpfline's; elsewhere each is what doit made it.

`run` builds, and when it was asked for by name alone it then loads and attaches. All of them lower
themselves from root to the project's owner, say a wrong command line in one line, and end without a
traceback on Ctrl-C and on a closed pipe.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from doit import cmd_clean, cmd_forget, cmd_info, cmd_list, cmd_run
from doit.cmd_base import CmdOption, DoitCmdBase
from doit.cmdparse import CmdParse, CmdParseError
from doit.exceptions import InvalidCommand, InvalidDodoFile, InvalidTask

from bpfline_loader import privileges
from bpfline_loader.files import write_whole

from . import compile  # noqa: A004
from .errors import INTERRUPTED, OK, REFUSED, USAGE, Problem, SettingsError
from .lock import project_lock
from .process import stop_all
from .progress import ExitStatus
from .project import BUILD, Project
from .settings import near
from .sweep import sweep
from .terminal import say

_GITIGNORE = ".gitignore"
_CLOSED_PIPE = 141  # what a shell gives a process that SIGPIPE ended


class _InProject(DoitCmdBase):
    """What the commands below have in common. ours() is the command in a project of bpfline's."""

    def parse_execute(self, words: list[str]) -> Any:
        try:
            return super().parse_execute(words)
        except CmdParseError as error:
            # doit adds the representation of every option that there is.
            say(f"doit: error: {str(error).partition(' (parsing')[0]}\n  help: doit help {self.name}")
            return USAGE

    def execute(self, params: Any, args: list[str]) -> Any:
        self.loader.setup(params)
        pipeline = self.loader.load_doit_config().get("bpfline")
        if pipeline is None:
            return self.elsewhere(params, args)
        return _guarded(lambda: self._in(pipeline, params, args))

    def elsewhere(self, params: Any, args: list[str]) -> Any:
        return super().execute(params, args)

    def _in(self, pipeline: Any, params: Any, args: list[str]) -> Any:
        _prepare(pipeline.project.root)
        try:
            return self.ours(pipeline, params, args)
        except InvalidCommand as error:
            if error.not_found is None:
                raise SettingsError(str(error)) from None
            known = [task.name for task in getattr(self, "task_list", ())]
            raise SettingsError(
                f"there is no task or target '{error.not_found}'", help=near(error.not_found, known)
            ) from None
        except (InvalidDodoFile, InvalidTask) as error:
            raise SettingsError(str(error)) from None

    def ours(self, pipeline: Any, params: Any, args: list[str]) -> Any:
        return super().execute(params, args)


class List(_InProject, cmd_list.List):
    pass


class Info(_InProject, cmd_info.Info):
    pass


class Forget(_InProject, cmd_forget.Forget):
    def ours(self, pipeline: Any, params: Any, args: list[str]) -> Any:
        with _locked(pipeline.project):
            return super().ours(pipeline, params, args)


class Clean(_InProject, cmd_clean.Clean):
    """Without a task's name it empties build/, whatever stands there."""

    def ours(self, pipeline: Any, params: Any, args: list[str]) -> Any:
        with _locked(pipeline.project):
            if args or params["cleanall"]:
                return super().ours(pipeline, params, args)
            for path in sorted((pipeline.project.root / BUILD).iterdir()):
                if path.name != _GITIGNORE:
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
    value = float(text)
    if not 0 < value < 1e9:
        raise ValueError(text)
    return value


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

    def parse_execute(self, words: list[str]) -> Any:
        self._words = words
        if any(word == "verify" or word.startswith("verify:") for word in words):
            self.verify_options, words = _verify_options(words)
            if not words:
                return USAGE
        elif any(
            (word == "cost" or word.startswith("cost:")) and before != "--prog"  # an object may bear the name
            for before, word in zip(["", *words], words, strict=False)
        ):
            self.cost_options, words = _cost_options(words)
            if not words:
                return USAGE
        return super().parse_execute(words)

    def elsewhere(self, params: Any, args: list[str]) -> Any:
        if self.verify_options or self.cost_options:  # a task of that project's own, with options of its own
            params, args = self.cmdparser.parse(self._words)
            params.update(self.opt_vals)
        return super().elsewhere(params, args)

    def get_reporters(self) -> dict[str, Any]:
        reporters = super().get_reporters()
        return {name: type(name, (ExitStatus, reporter), {}) for name, reporter in reporters.items()}

    def ours(self, pipeline: Any, params: Any, args: list[str]) -> Any:
        asked = self._asked_by_name() and not args
        chosen = params["prog"]
        if not asked and (chosen is not None or params["for_"] is not None or params["set_"]):
            raise SettingsError("--prog, --for and --set go with a bare `doit run`", help="doit run --for 5")
        pipeline.log = self.verify_options.get("log", "auto")
        pipeline.again = self.verify_options.get("again", False)
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
            if objects and status in (OK, REFUSED):
                compile.write_compile_commands(pipeline.project)
        if self.verify_options:
            status = max(status, self._judge(pipeline))
            _check_constants(pipeline)
        if self.cost_options:
            from .cost import project as cost

            found = sorted(pipeline.costs, key=lambda each: each.verdict.object)
            status = max(status, cost.show(found, self.cost_options))
        if asked and status == OK:
            status = self._start(
                pipeline, [objects[chosen]] if chosen else list(objects.values()), params["for_"]
            )
        return status

    def _asked_by_name(self) -> bool:
        """Whether the command line said `run`: doit runs this command for `doit` and `doit build` too."""
        words = sys.argv[1:]
        try:
            _, words = CmdParse([CmdOption(option) for option in self.loader.cmd_options]).parse_only(words)
        except CmdParseError:
            return False
        return next((word for word in words if word.startswith("-") or "=" not in word), "") == "run"

    def _judge(self, pipeline: Any) -> int:
        """Show the verdicts in the order of their objects; the exit status that they ask for."""
        from . import gate, report

        found = sorted(pipeline.verdicts, key=lambda row: row.object)
        judged = gate.of_project(pipeline.project, found, compared=not pipeline.constants)
        results = gate.into(report.of_project(pipeline.project, found), judged)
        gate.show(judged, results, as_json=self.verify_options["json"])
        return max(judged.status, report.write(results, report.FOLDER))

    def _start(self, pipeline: Any, sources: Sequence[Any], seconds: float | None) -> int:
        from bpfline_loader import bundle, run

        if not sources:
            raise SettingsError(
                "there is no program to run",
                where=pipeline.project.settings.sources,
                help="write one: prog.c",
            )
        bundles = [bundle.read(source.folder) for source in sources]
        if pipeline.constants:
            from . import set_option

            changed = [
                set_option.bundle(pipeline.project, source, pipeline.constants, read)
                for source, read in zip(sources, bundles, strict=True)
            ]
            bundles = [each for each, _ in changed]
            pipeline.used = {name for _, names in changed for name in names}
            _check_constants(pipeline)
        return run.run(bundles, seconds=seconds)


def _verify_options(words: list[str]) -> tuple[dict[str, Any], list[str]]:
    """(options of verify, the other words): they may stand before or behind the task's name, as
    people write them; doit itself would want them between the task and the next."""
    import argparse

    from bpfline_loader.log import MODES

    parser = argparse.ArgumentParser(
        prog="doit verify", add_help=False, allow_abbrev=False, exit_on_error=False
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--log", choices=MODES, default="auto")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    try:
        options, rest = parser.parse_known_args(words)
    except argparse.ArgumentError as error:
        say(f"doit verify: error: {error}")
        return {}, []
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


def _check_constants(pipeline: Any) -> None:
    """SettingsError for a --set that no object took."""
    if pipeline.constants:
        from . import set_option

        files = [source.object_file for source in pipeline.project.sources]
        set_option.check_used(pipeline.constants, pipeline.used, [path for path in files if path.exists()])


def _locked(project: Project) -> Any:
    return project_lock(project.root, lambda holder: say(f"waiting for {holder}, which builds here"))


def _prepare(root: Path) -> None:
    """Make build/ where there is none, and lower this process from root to whom it belongs: its owner;
    where it must be made that is the project's owner, or the user who called sudo."""
    build = root / BUILD
    made = not build.is_dir()
    if made:
        build.mkdir(exist_ok=True)
    if os.geteuid() == 0:
        if made:
            owner = root.stat()
            uid = owner.st_uid or int(os.environ.get("SUDO_UID", "0"))
            gid = owner.st_gid if owner.st_uid else int(os.environ.get("SUDO_GID", "0"))
            os.chown(build, uid, gid)
        owner = build.stat()
        if owner.st_uid != 0:
            privileges.lower(owner.st_uid, owner.st_gid)
    if made:
        write_whole(build / _GITIGNORE, b"*\n!.gitignore\n")


def _guarded(command: Callable[[], Any]) -> Any:
    """The command's exit status, whatever ends it; SIGTERM and SIGHUP end it as Ctrl-C does."""
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
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
        # Nobody reads on; Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _CLOSED_PIPE
    except OSError as error:
        say(f"{error.filename or 'doit'}: error: {error.strerror or error}")
        return 2
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
