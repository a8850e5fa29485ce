"""Which packages are there, which would come and go. The arithmetic of the module `packages`; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

SCHEMA = "hostproof.packages/1"
GOES = re.compile(r"^(?:Remv|Purg) (\S+)", re.MULTILINE)


def versions(listing: str) -> dict[str, str]:
    """Of what is installed, from `dpkg-query -W -f '${Package} ${db:Status-Status} ${Version}\\n'`."""
    triples = (line.split() for line in listing.splitlines())
    return {one[0]: one[2] for one in triples if len(one) == 3 and one[1] == "installed"}


def otherwise(wanted: Mapping[str, str], there: Mapping[str, str]) -> list[str]:
    """What is installed in another version than the wanted one, as apt-get takes it: `name=version`."""
    return [f"{name}={version}" for name, version in wanted.items() if there.get(name, version) != version]


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


def parse_before(text: str) -> dict[str, str]:
    """Of the same record: versions that stood there before another was put in their place. Raises ValueError if it is none."""
    parse(text)
    return {str(name): str(version) for name, version in (json.loads(text).get("before") or {}).items()}


def render(put: set[str], before: Mapping[str, str] | None = None) -> str:
    found = {"schema": SCHEMA, "put": sorted(put), **({"before": dict(before)} if before else {})}
    return json.dumps(found, indent=1) + "\n"
