# SPDX-License-Identifier: Apache-2.0
"""Attachment of iterators (SEC("iter/task")): what one writes is read once."""

from __future__ import annotations

import errno
import os

from .. import bpf, hints
from ..bpf_link import iter_create, link_create
from ..bundle import Program
from ..privileges import raised
from ..tracefs import Tracefs
from .attachment import Attachment, refused

TARGET = "task"
_LARGEST = 1 << 20  # bytes of which one iterator's text is shown
# Those that go through the elements of one thing, which nothing names: a map, a socket map.
_OF_ONE_THING = frozenset(("bpf_map_elem", "bpf_sk_storage_map", "sockmap"))
_NEEDS_MAP = "it goes through one map's elements, and nothing says which: run gives no map to an iterator"


def attach(program: Program, fd: int, tracefs: Tracefs) -> Attachment:
    """Have the iterator ("task", "bpf_map") go through all that there is, once."""
    assert program.attach is not None
    target = f"iterator {program.attach}"
    with raised():
        try:
            link = link_create(fd, 0, bpf.ATTACH_TYPES["trace_iter"])
        except OSError as error:
            meaning = _NEEDS_MAP if program.attach in _OF_ONE_THING else ""
            raise refused(target, error, hints.ATTACH, meaning) from None
        try:
            return Attachment(target, (link,), text=_text(link))
        except OSError as error:
            os.close(link)
            raise refused(target, error, "read") from None


def _text(link: int) -> bytes:
    text = b""
    file = iter_create(link)
    try:
        while len(text) < _LARGEST:
            try:
                chunk = os.read(file, 1 << 16)
            except BlockingIOError as error:
                if error.errno != errno.EAGAIN:
                    raise
                continue  # it went through a million without a word, and pauses (MAX_ITER_OBJECTS)
            if not chunk:
                break
            text += chunk
    finally:
        os.close(file)
    return text
