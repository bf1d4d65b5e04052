# SPDX-License-Identifier: Apache-2.0
"""C string literals: how a name from elsewhere stands in a rendered C text."""

from __future__ import annotations

# '"' and '\' would end the literal or begin an escape; '?' begins a trigraph ("??/" is a backslash);
# '*' ends or begins a comment beside a '/', for the literal stands in comments too.
_ESCAPED = frozenset(b'"\\?*')


def c_string(text: str) -> str:
    """text as a C string literal with its quotes, in printable ASCII, harmless inside a comment too.

    Each byte of its UTF-8 that is not plain becomes three octal digits, after which a digit that
    follows is a character of its own (C11 6.4.4.4). A surrogate that stands for a byte of a file name
    (PEP 383) becomes that byte.
    """
    return '"' + "".join(map(_character, text.encode("utf-8", "surrogateescape"))) + '"'


def _character(byte: int) -> str:
    plain = 0x20 <= byte <= 0x7E and byte not in _ESCAPED
    return chr(byte) if plain else f"\\{byte:03o}"
