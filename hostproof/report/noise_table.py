"""What each setup differs from itself: the noise floor of the machine. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from hostproof.judge.noise import Floor, floors
from hostproof.judge.units import label
from hostproof.report.material import Material
from hostproof.report.table import Row, Table, left, right

NOTE = (
    "A/A: every other run against the runs between them, one setup against itself, so a difference is noise. "
    "The floor is what 19 of 20 ways to deal the runs into two halves stay below: a smaller difference between two measurements is none."
)


def noise(material: Material) -> Iterator[Table]:
    rows = tuple(_row(part.title, floor) for part, result in material.measured for floor in floors(result))
    if rows:
        columns = (*left("Config", "Cell", "Metric"), *right("A2 : A1", "Noise floor", "Runs"))
        yield Table("noise", "Noise floor", columns, rows, NOTE)


def _row(title: str, floor: Floor) -> Row:
    apart = f"{floor.pair - 1:+.1%}"
    return Row((title, floor.cell, label(floor.metric), apart, f"± {floor.floor:.1%}", str(floor.runs)))
