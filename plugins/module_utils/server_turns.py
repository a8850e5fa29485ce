"""Which servers of a host run now, how they were found, and what to start and stop. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

SCHEMA = "hostproof.servers_found/1"
PATH = "/run/hostproof/servers-found.json"
Found = Mapping[str, bool]
"""Unit → whether it ran (or was about to)."""


class UnreadableError(Exception):
    """The file says nothing that can be gone by."""


def runs(active: str) -> bool:
    """From a unit's ActiveState."""
    return active in ("active", "activating", "reloading")


def remember(before: Found | None, now: Found) -> Found:
    """What was found first stays: an interrupted run changed what a later one sees."""
    return {**now, **(before or {})}


def steps(wanted: Found, now: Found) -> tuple[list[str], list[str]]:
    """(stop, start), in that order, so that two servers never share the memory of one."""
    stop = [unit for unit, run in wanted.items() if not run and now.get(unit)]
    start = [unit for unit, run in wanted.items() if run and not now.get(unit)]
    return stop, start


def turn(units: Iterable[str], running: Iterable[str]) -> Found:
    chosen = set(running)
    return {unit: unit in chosen for unit in [*units, *chosen]}


def render(found: Found) -> str:
    return json.dumps({"schema": SCHEMA, "units": dict(found)}, indent=1) + "\n"


def parse(text: str) -> Found:
    try:
        raw = json.loads(text)
        if raw["schema"] != SCHEMA:
            raise UnreadableError(f"its schema is {raw['schema']!r}, not {SCHEMA!r}")
        return {str(unit): bool(ran) for unit, ran in raw["units"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableError(f"{error!r}") from error
