# SPDX-License-Identifier: Apache-2.0
"""build/: made where there is none, and as whom root works in it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from bpfline_loader import privileges
from bpfline_loader.files import write_whole

from .errors import Problem
from .project import BUILD

GITIGNORE = ".gitignore"


def prepare(root: Path) -> None:
    """Make build/ where there is none, and lower this process from root to whom the project belongs; where
    that is root, to whom build/ belongs, which is made for the user who called sudo."""
    build = root / BUILD
    if build.is_symlink():
        raise Problem(
            "is a symbolic link, and what stands in it is removed and made anew",
            where=build,
            help="a folder must stand there: the link may lead anywhere",
        )
    made = not build.is_dir()
    if made:
        build.mkdir(exist_ok=True)
    if os.geteuid() == 0:
        owner = root.stat()
        if made:
            sudo = [os.environ.get(name, "") for name in ("SUDO_UID", "SUDO_GID")]
            if owner.st_uid == 0 and all(map(str.isdecimal, sudo)):
                os.chown(build, *map(int, sudo), follow_symlinks=False)
            else:
                os.chown(build, owner.st_uid, owner.st_gid, follow_symlinks=False)
        # What the settings name is run as the user who may write them.
        _lower(owner if owner.st_uid != 0 else build.lstat(), build)
    if made:
        # Another build that starts now may take build/, or this very file, away: it makes both again.
        with suppress(Problem):
            write_whole(build / GITIGNORE, b"*\n!.gitignore\n")


def _lower(owner: os.stat_result, build: Path) -> None:
    if owner.st_uid == 0:
        return
    privileges.lower(owner.st_uid, owner.st_gid)
    unreadable = [
        file for file in (__file__, os.__file__) if not os.access(file, os.R_OK, effective_ids=True)
    ]
    if unreadable:
        raise Problem(
            "cannot be read by the user whom the project belongs to, as whom this works",
            where=Path(unreadable[0]).parent,
            help="install bpfline where that user can read it, or run it as that user",
        )
    if not os.access(build, os.R_OK | os.W_OK | os.X_OK, effective_ids=True):
        raise Problem(
            "cannot be written by the user whom the project belongs to, as whom this works",
            where=build,
            help=f"remove it (sudo rm -r {BUILD}), or give it to that user",
        )
