"""`./inv status`: what serves on hosts, on which device, which build, since when, and whether it is still what was proved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from hostproof.exits import ExitStatus
from hostproof.play import kept, looking
from hostproof.play.checkout import Checkout
from hostproof.play.ending import Ending
from hostproof.shared.server_state import IN_ORDER

SCHEMA = "hostproof.status/1"
COLUMNS = {
    "server": "server",
    "model": "model",
    "device": "on",
    "release": "build",
    "since": "since",
    "verdict": "computes",
    "state": "state",
}
"""Key of a row → heading."""
NONE = "–"
LONGEST = 24
"""Characters of a build that a cell holds: an image's digest is longer than any screen."""
GOOD_DRIVERS = ("ok", "no-card")

Seen = Mapping[str, Any]


def show(checkout: Checkout, console: Console, names: Sequence[str], *, as_json: bool = False) -> Ending:
    """Exit status 0: everything runs as it was proved. 2: something does not. 1: could not look. Raises HostproofError.

    With `as_json` stdout is one JSON object and nothing else; progress goes to stderr.
    """

    def told(files: Mapping[str, Path]) -> Ending:
        return tell(
            console, {host: kept.whole(path, SCHEMA) for host, path in files.items()}, as_json=as_json
        )

    return looking.at(checkout, console, "status", names, told, as_json=as_json)


def tell(console: Console, found: Mapping[str, Seen], *, as_json: bool) -> Ending:
    ended = of_status(found)
    if as_json:
        return looking.in_json(SCHEMA, found, ended)
    for host, seen in found.items():
        draw(console, host, seen)
    return ended


def of_status(found: Mapping[str, Seen]) -> Ending:
    """The closing sentence. Pure."""
    rows = [row for seen in found.values() for row in seen["servers"]]
    out_of_order = [row for row in rows if row["state"] not in IN_ORDER]
    troubles = sum(len(around(seen)) for seen in found.values())
    if not rows and not troubles:
        return Ending(ExitStatus.YES, "0 servers: none was provisioned there.")
    if not out_of_order and not troubles:
        return Ending(ExitStatus.YES, f"{len(rows)} of {len(rows)} servers run as they were proved.")
    beside = f", and {troubles} more to see to" if troubles else ""
    return Ending(
        ExitStatus.NO,
        f"{len(rows) - len(out_of_order)} of {len(rows)} servers run as they were proved{beside}.",
    )


def around(seen: Seen) -> list[str]:
    """What is wrong beside the servers."""
    driver = seen["driver"]
    said = (
        []
        if driver["state"] in GOOD_DRIVERS or not driver["loaded"]
        else [f"driver: {driver['why'] or driver['state']}"]
    )
    return [*said, *(f"containers: {each}" for each in seen["cdi"])]


def draw(console: Console, host: str, seen: Seen) -> None:
    """A table on a terminal, else a line a server; what is not in order is explained below."""
    if console.is_terminal:
        table = Table(title=host, title_justify="left", box=SIMPLE, pad_edge=False)
        for heading in COLUMNS.values():
            table.add_column(heading, overflow="fold")
        for row in seen["servers"]:
            table.add_row(
                *(cell(row, key) for key in COLUMNS), style="" if row["state"] in IN_ORDER else "yellow"
            )
        console.print(table)
    else:
        for row in seen["servers"]:
            told = ", ".join(
                f"{heading} {cell(row, key)}" for key, heading in COLUMNS.items() if key != "server"
            )
            console.print(f"{host} {row['server']}: {told}", markup=False, highlight=False, soft_wrap=True)
    for row in seen["servers"]:
        for why in row["why"]:
            console.print(f"{row['server']}: {why}", markup=False, highlight=False, soft_wrap=True)
    for each in around(seen):
        console.print(each, markup=False, highlight=False, soft_wrap=True)


def cell(row: Mapping[str, Any], key: str) -> str:
    text = str(row[key]) or NONE
    return text if len(text) <= LONGEST or key != "release" else f"{text[: LONGEST - 1]}…"
