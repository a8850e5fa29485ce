"""JSON that says of what schema it is: the one way in for everything that crosses to the judge. Pure."""

from __future__ import annotations

import json
from typing import Any


def read(text: str, known: str, error: type[ValueError], *older: str) -> dict[str, Any]:
    """The object, if it is of the schema `known` or of one of `older`. Raises `error` with what it is instead."""
    try:
        raw = json.loads(text)
    except json.JSONDecodeError as wrong:
        raise error(f"not JSON: {wrong}") from wrong
    if not isinstance(raw, dict) or raw.get("schema") not in (known, *older):
        found = raw.get("schema") if isinstance(raw, dict) else type(raw).__name__
        raise error(f"schema is {found!r}, this reader knows {known!r}")
    return raw
