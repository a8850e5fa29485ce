"""The hosts as a table for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from lab.hosts import Row


def of(rows: Sequence[Row]) -> Table:
    made = Table("host", "kind", "state", "ssh", "made from", "inventory")
    for row in rows:
        port = f"127.0.0.1:{row.port}" if row.port else "-"
        made.add_row(row.name, row.kind or "-", row.state, port, row.base or "-", row.inventory or "-")
    return made
