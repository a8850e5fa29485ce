"""A table as plain data: the pages differ in how they draw it, never in what it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hostproof.judge.model import Outcome

Align = Literal["left", "right"]
NOTHING = "–"

WORDS = {
    Outcome.PROVEN: "✓ pass",
    Outcome.BELOW: "✗ fail",
    Outcome.INCONCLUSIVE: "? inconclusive",
    Outcome.UNMEASURED: "∅ not measured",
}
"""A sign and a word, so that nobody needs the colour."""


@dataclass(frozen=True)
class Row:
    """`outcome` colours the row's outcome cell; `muted` is a figure from elsewhere, shown beside ours; `marked` needs a second look."""

    cells: tuple[str, ...]
    outcome: Outcome | None = None
    muted: bool = False
    marked: bool = False


@dataclass(frozen=True)
class Table:
    """`columns`: heading and alignment. `note` is one or two sentences under it."""

    key: str
    title: str
    columns: tuple[tuple[str, Align], ...]
    rows: tuple[Row, ...]
    note: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row.cells) != len(self.columns):
                raise ValueError(
                    f"{self.key}: {len(row.cells)} cells under {len(self.columns)} columns: {row}"
                )


def left(*names: str) -> tuple[tuple[str, Align], ...]:
    return tuple((name, "left") for name in names)


def right(*names: str) -> tuple[tuple[str, Align], ...]:
    return tuple((name, "right") for name in names)
