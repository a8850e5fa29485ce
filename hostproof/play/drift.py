"""`./inv drift`: every setting of hosts as it is wanted, lives, is persisted, was booted and stood first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from hostproof.exits import ExitStatus
from hostproof.play import kept, looking
from hostproof.play.checkout import Checkout
from hostproof.play.ending import Ending
from hostproof.play.kept import Row
from hostproof.shared.drifting import IN_ORDER
from hostproof.shared.knob import brief

SCHEMA = "hostproof.drift/1"
COLUMNS = ("wanted", "live", "persisted", "booted", "first", "state")
NONE = "–"
FINE, UNUSED = IN_ORDER


def show(checkout: Checkout, console: Console, names: Sequence[str], *, as_json: bool = False) -> Ending:
    """Exit status 0: as wanted. 2: something differs. 1: could not look. Raises HostproofError.

    With `as_json` stdout is one JSON object and nothing else; progress goes to stderr.
    """

    def told(files: Mapping[str, Path]) -> Ending:
        return tell(
            console, {host: kept.rows(path, SCHEMA, "rows") for host, path in files.items()}, as_json=as_json
        )

    return looking.at(checkout, console, "drift", names, told, as_json=as_json)


def tell(console: Console, found: Mapping[str, Sequence[Row]], *, as_json: bool) -> Ending:
    """Draws what was found, or prints it as JSON."""
    ended = of_drift(found)
    if as_json:
        return looking.in_json(SCHEMA, found, ended)
    for host, rows in found.items():
        draw(console, host, rows)
    return ended


def of_drift(found: Mapping[str, Sequence[Row]]) -> Ending:
    """The closing sentence. Pure."""
    rows = [row for host in found.values() for row in host]
    differing = [row for row in rows if row["state"] not in IN_ORDER]
    unused = sum(row["state"] == UNUSED for row in rows)
    besides = (
        f" {unused} as wanted {'is' if unused == 1 else 'are'} used by no server: {UNUSED}." if unused else ""
    )
    if not differing:
        return Ending(ExitStatus.YES, f"0 of {len(rows)} settings differ.{besides}")
    return Ending(
        ExitStatus.NO, f"{len(differing)} of {len(rows)} settings differ from what is wanted.{besides}"
    )


def draw(console: Console, host: str, rows: Sequence[Row]) -> None:
    """A table on a terminal, else a line a setting; what differs is explained below."""
    if console.is_terminal:
        table = Table(title=host, title_justify="left", box=SIMPLE, pad_edge=False)
        for heading in ("setting", *COLUMNS):
            table.add_column(heading, overflow="fold")
        for row in rows:
            style = "dim" if row["state"] == FINE else ""
            table.add_row(name_of(row), *(text_of(row, column) for column in COLUMNS), style=style)
        console.print(table)
    else:
        for row in rows:
            values = ", ".join(f"{column} {text_of(row, column)}" for column in COLUMNS)
            console.print(f"{host} {name_of(row)}: {values}", markup=False, highlight=False, soft_wrap=True)
    for row in rows:
        if why := reason_of(row):
            console.print(f"{name_of(row)}: {why}", markup=False, highlight=False, soft_wrap=True)


def name_of(row: Row) -> str:
    return f"{row['kind']} {row['key']}"


def text_of(row: Row, column: str) -> str:
    """A cell. `first` of a glob is one value a file; alike, they are one."""
    if column != "first":
        return brief(str(row[column])) or NONE
    live = {value for place, value in row["first"].items() if place != "persisted"}
    values = live or set(row["first"].values())
    return ", ".join(sorted(map(brief, values))) or NONE


def reason_of(row: Row) -> str:
    """Why a setting differs and whose file decides what the next boot will set, or how it is known that nobody uses it."""
    if row["state"] == FINE:
        return ""
    owner = f"persisted by {row['owner']}" if row["owner"] and row["state"] != UNUSED else ""
    return "; ".join(filter(None, (str(row["detail"]), owner)))
