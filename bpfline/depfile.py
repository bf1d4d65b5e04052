# SPDX-License-Identifier: Apache-2.0
"""What a compilation depends on: the files that clang read, and the places where it found nothing.

clang's depfile names the first. The second matter as much: a header that appears in a folder which
is searched earlier shadows the one that was read, and `__has_include` changes its answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os.path import normpath
from pathlib import Path

# An include as the preprocessor sees it, the operators that only look, and a macro that gives either
# its name.
_DIRECTIVE = re.compile(
    rb"""(?:^[ \t]*\#[ \t]*(?:include|import|(?P<macro>define)[ \t]+\w+)|__has_include)(?P<next>_next)?
         [ \t]*\(?[ \t]*(?P<name>"[^"\n]+"|<[^>\n]+>)""",
    re.VERBOSE | re.MULTILINE,
)
_SPLICE = re.compile(rb"\\\r?\n")


@dataclass(frozen=True)
class SearchPath:
    """Where clang looks for headers, in its order. quoted is searched before angled, for "x" only."""

    quoted: tuple[str, ...]
    angled: tuple[str, ...]


def parse(text: str) -> list[str]:
    """The prerequisites in a depfile of clang's, in their order, each once.

    Make's escapes as clang writes them: `\\ ` for a space, `\\#` and `$$`; for a backslash in a name it
    writes a slash (clang/lib/Frontend/DependencyFile.cpp, PrintFilename).
    """
    _, _, names = text.partition(": ")
    words = re.findall(r"(?:\\[ #]|\$\$|[^\s\\]|\\(?!\n))+", names.replace("\\\n", " \n"))
    return list(dict.fromkeys(re.sub(r"\\([ #])|\$(\$)", r"\1\2", word) for word in words))


def must_not_exist(read: Sequence[str], search: SearchPath, root: Path, began: int) -> set[str]:
    """The paths that clang looked at in vain, or would look at before what it found.

    read: the files of the depfile, the source first, relative to root. began: when clang was started
    (inputs.file_clock); a file that is newer, and that clang did not read, came too late for it.
    What a skipped `#if` hides is counted too: that can compile once too often, never once too rarely.
    An include whose name a macro gives cannot be seen in the text; for the files that no visible name
    explains, every folder that may be searched before theirs is taken.
    """
    known = set(map(normpath, read))

    def found(place: str) -> bool:
        return normpath(place) in known or _is_older(root / place, began)

    missing: set[str] = set()
    explained: set[str] = set()
    for path in read:
        for places, kind in _lookups((root / path).read_bytes(), str(Path(path).parent), search):
            for place in places:
                if not found(place):
                    missing.add(place)
                    continue
                if kind != "macro":
                    explained.add(normpath(place))
                # include_next goes on from the folder of the file it stands in: later hits count.
                if kind != "next":
                    break
    # "." is where the name after -include is looked for.
    includers = tuple(dict.fromkeys([*(str(Path(path).parent) for path in read), "."]))
    for path in read[1:]:
        if normpath(path) not in explained:
            missing.update(place for place in _before(path, includers, search) if not found(place))
    return missing


def _is_older(path: Path, began: int) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    return max(status.st_mtime_ns, status.st_ctime_ns) < began


def _lookups(text: bytes, folder: str, search: SearchPath) -> Iterator[tuple[list[str], str | None]]:
    """(places in the order of the search, "next", "macro" or None for how it is named) of each name in
    text."""
    if b'"' not in text and b"<" not in text:  # vmlinux.h is large, and has neither
        return
    if b"\\\n" in text or b"\\\r" in text:
        text = _SPLICE.sub(b"", text)
    for found in _DIRECTIVE.finditer(text):
        word = found["name"].decode(errors="surrogateescape")
        folders = ((folder, *search.quoted) if word[0] == '"' else ()) + search.angled
        # An absolute name is the only place whatever the folder.
        places = list(dict.fromkeys(str(Path(at, word[1:-1])) for at in folders))
        yield places, "macro" if found["macro"] else "next" if found["next"] else None


def _before(path: str, includers: tuple[str, ...], search: SearchPath) -> Iterator[str]:
    """The places that may be searched before path: in the folder of whoever includes it, and in those
    of the search that come before the one it was found in."""
    folders = search.quoted + search.angled
    for at, folder in enumerate(folders):
        if Path(path).is_relative_to(folder):
            below = Path(path).relative_to(folder)
            yield from (str(Path(earlier, below)) for earlier in includers + folders[:at])
