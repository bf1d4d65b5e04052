# SPDX-License-Identifier: Apache-2.0
"""The diagnosis: why a program was refused, where in the source, how it came to that, and the way out.

diagnose(log, lines) -> Diagnosis | None     None where the log tells of no refusal
to_json(diagnosis), text.to_text(diagnosis)
"""

from __future__ import annotations

from .diagnose import diagnose
from .model import SCHEMA, Diagnosis, Place, Step, to_json
from .text import shown, to_text

__all__ = ["SCHEMA", "Diagnosis", "Place", "Step", "diagnose", "shown", "to_json", "to_text"]
