# SPDX-License-Identifier: Apache-2.0
"""Network interfaces by name."""

from __future__ import annotations

import difflib
import socket

from ..errors import Problem


def index(name: str) -> int:
    """The number of an interface of this network namespace. Problem where there is none of that name."""
    try:
        return socket.if_nametoindex(name)
    except (OSError, ValueError):
        known = [each for _, each in socket.if_nameindex()]
        near = difflib.get_close_matches(name, known)
        raise Problem(
            "there is no such network interface",
            where=name,
            help=f"did you mean {', '.join(near)}?" if near else "there are " + ", ".join(known),
        ) from None
