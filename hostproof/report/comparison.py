"""Two Results side by side. Pure."""

from __future__ import annotations

from dataclasses import replace

from hostproof.judge.comparison import Comparison, Row, Word
from hostproof.judge.two_samples import Shift
from hostproof.judge.units import figure, label, shown, span
from hostproof.measure.result import Result
from hostproof.report import table as plain
from hostproof.report.table import NOTHING, Table, left, right

SIGNS = {
    Word.BETTER: "✓",
    Word.WORSE: "✗",
    Word.MORE: "↑",
    Word.LESS: "↓",
    Word.SAME: "=",
    Word.CANNOT_TELL: "?",
}


def tables(found: Comparison) -> tuple[Table, ...]:
    return tuple(each for each in (_figures(found), _around(found)) if each.rows)


def named_tables(found: Comparison) -> tuple[Table, ...]:
    """The same for a page that has several: each with the setup in its title."""
    name = f"{found.after.host}-{found.after.setup.name}"
    title = f"{found.after.host}, {found.after.setup.name}"
    return tuple(
        replace(table, key=f"{table.key}-{name}", title=f"{table.title}: {title}") for table in tables(found)
    )


def told(found: Comparison) -> tuple[str, ...]:
    """What a reader has to know of it, each with the setup."""
    title = f"{found.after.host}, {found.after.setup.name}"
    return tuple(
        f"{title}: {each}"
        for each in (*(f"FORCED: not of one kind: {why}" for why in found.unlike), *found.remarks)
    )


def _figures(found: Comparison) -> Table:
    columns = (
        *left("Cell", "Metric"),
        *right("Before", "After", "After : before", "Interval", "Runs"),
        *left("Says"),
    )
    rows = tuple(_row(row) for row in found.rows)
    note = (
        f"Before: {_name(found.before)}. After: {_name(found.after)}. "
        f"Intervals hold with {found.confidence:.1%} each, so that all of "
        "TTFT and TG hold together with 95 %; the other metrics follow those or stand beside them. "
        "The two were measured at different times: whether a setting helps is what ./inv ab tells."
    )
    return Table("comparison-figures", "Before and after", columns, rows, note)


def _name(result: Result) -> str:
    return f"{result.host}, {result.setup.name}, {result.setup.model}, {result.started}"


def _row(row: Row) -> plain.Row:
    cells = (
        row.cell,
        label(row.metric),
        shown(row.before, row.metric),
        shown(row.after, row.metric),
        moved(row.shift, row.metric),
        interval(row.shift, row.metric),
        f"{row.runs[0]}, {row.runs[1]}",
        f"{SIGNS[row.word]} {row.word.value}",
    )
    return plain.Row(cells, muted=not row.primary)


def moved(shift: Shift, metric: str) -> str:
    if shift.kind == "difference":
        return f"{'+' if shift.interval.value > 0 else ''}{shown(shift.interval.value, metric)}"
    return f"× {figure(shift.interval.value)}"


def interval(shift: Shift, metric: str) -> str:
    low, high = shift.interval.low, shift.interval.high
    if low is None or high is None:
        return NOTHING
    if shift.kind == "difference":
        return span(low, high, metric)
    return f"{figure(low)}–{figure(high)}"


def _around(found: Comparison) -> Table:
    rows = tuple(plain.Row(each) for each in found.circumstances)
    return Table("comparison-around", "What differs around them", left("", "Before", "After"), rows)
