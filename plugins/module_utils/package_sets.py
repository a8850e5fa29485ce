"""Which packages are there, which would come and go. The arithmetic of the module `packages`; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

SCHEMA = "hostproof.packages/1"
GOES = re.compile(r"^(?:Remv|Purg) (\S+)", re.MULTILINE)


def installed(listing: str) -> set[str]:
    """From `dpkg-query -W -f '${Package} ${db:Status-Status}\\n'`."""
    pairs = (line.split() for line in listing.splitlines())
    return {pair[0] for pair in pairs if len(pair) == 2 and pair[1] == "installed"}


def missing(wanted: Iterable[str], there: set[str]) -> list[str]:
    return [name for name in dict.fromkeys(wanted) if name not in there]


def would_go(simulation: str) -> set[str]:
    """From `apt-get --simulate purge …`."""
    return {name.partition(":")[0] for name in GOES.findall(simulation)}


def parse(text: str) -> set[str]:
    """The record of what was put on the host. Raises ValueError if it is none."""
    raw = json.loads(text)
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        raise ValueError(f"its schema is not {SCHEMA}")
    return set(map(str, raw["put"]))


def render(put: set[str]) -> str:
    return json.dumps({"schema": SCHEMA, "put": sorted(put)}, indent=1) + "\n"
