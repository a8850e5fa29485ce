"""What a playbook left of each host in the run's folder, read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hostproof.errors import HostproofError

Row = Mapping[str, Any]


def rows(path: Path, schema: str, field: str) -> list[Row]:
    """The rows that were kept of one host. Raises HostproofError if there are none of this schema."""
    raw = whole(path, schema)
    try:
        return [dict(row) for row in raw[field]]
    except (ValueError, KeyError, TypeError) as error:
        raise _unreadable(path, error) from error


def whole(path: Path, schema: str) -> Row:
    """Everything that was kept of one host. Raises HostproofError if there is nothing of this schema."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["schema"] != schema:
            raise ValueError(f"its schema is {raw['schema']!r}, not {schema!r}")
        return dict(raw)
    except FileNotFoundError as error:
        raise HostproofError(
            "the host handed nothing over", where=str(path), mend="Is it in the group inference_hosts?"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> HostproofError:
    return HostproofError(
        f"what the host handed over cannot be read: {error}", where=str(path), mend="Run it again."
    )
