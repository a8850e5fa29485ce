"""A Result on a screen: a table on a terminal, a line a figure elsewhere, and below what a reader should know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hostproof.judge.units import figure
from hostproof.measure.figures import CARRIED_FROM, cells
from hostproof.measure.result import Result

COLUMNS = ("median", *CARRIED_FROM, "min", "max")
NONE = "–"


def draw(console: Console, result: Result) -> None:
    """Figures that were not measured come with their reason, on one line each."""
    for cell in cells(result):
        measured = {name: told for name, told in cell["metrics"].items() if told["n"]}
        title = f"{cell['workload']} / {cell['cell']}: {cell['requests']} requests"
        if console.is_terminal:
            console.print(_table(title, measured))
        else:
            _say(console, title)
            for name, told in measured.items():
                values = ", ".join(f"{column} {_shown(told[column])}" for column in COLUMNS)
                _say(console, f"  {name}: {values}, n {told['n']} {told['over']}")
    for line in remarks(result):
        _say(console, line)


def _table(title: str, measured: dict[str, Any]) -> Table:
    table = Table(title=Text(title), title_justify="left", box=SIMPLE, pad_edge=False)
    table.add_column("metric")
    for column in (*COLUMNS, "n"):
        table.add_column(column, justify="right")
    table.add_column("over")
    for name, told in measured.items():
        table.add_row(name, *(_shown(told[column]) for column in COLUMNS), str(told["n"]), told["over"])
    return table


def _shown(value: float | None) -> str:
    return NONE if value is None else figure(value)


def remarks(result: Result) -> Iterator[str]:
    """Failed checks, what follows from the figures, what could not be measured, and why."""
    for check in result.checks:
        if not check.passed:
            yield f"check {check.name} failed: {check.detail}"
    yield from result.findings
    for measured in result.measurements:
        if measured.problem:
            yield f"not measured: {measured.metric} in {measured.cell}: {measured.problem}"
    yield from (f"not known: {gap}" for gap in result.gaps)
    if any(0 < len(m.samples) < least for m in result.measurements for least in CARRIED_FROM.values()):
        wants = ", ".join(f"{name} from n = {least}" for name, least in CARRIED_FROM.items())
        yield f"{NONE} under a percentile: the sample does not carry it ({wants})"


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
