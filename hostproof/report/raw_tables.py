"""Every raw number of a Result in a table, so that a reader can do the sums again. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from hostproof.judge.statistics import percentile
from hostproof.judge.units import label, shown
from hostproof.measure.result import Measurement, Result
from hostproof.report.material import Part
from hostproof.report.table import NOTHING, Row, Table, left, right

MOST_GAPS = 20_000
"""Of one Result: a page with more would be megabytes. The Result itself always has them all."""
PERCENTILES = (1, 5, 25, 50, 75, 95, 99)


def raw(part: Part, result: Result) -> Iterator[Table]:
    for table in (
        _samples(part, result),
        _percentiles(part, result),
        _gaps(part, result),
        _series(part, result),
    ):
        if table.rows:
            yield table


def key(part: Part) -> str:
    return f"{part.verdict.host}-{part.verdict.setup}"


def _samples(part: Part, result: Result) -> Table:
    found = [m for m in result.measurements if m.samples and m.over == "runs"]
    warmups = max((len(m.warmups) for m in found), default=0)
    most = max((len(m.samples) for m in found), default=0)
    rows = tuple(
        Row((m.cell, f"{label(m.metric)}, {m.unit}", *_filled(m.warmups, warmups), *_filled(m.samples, most)))
        for m in found
    )
    columns = (
        *left("Cell", "Metric"),
        *right(*(f"warm-up {number + 1}" for number in range(warmups))),
        *right(*(f"run {number + 1}" for number in range(most))),
    )
    return Table(f"samples-{key(part)}", f"Every run: {part.title}", columns, rows)


def _filled(values: tuple[float, ...], wide: int) -> tuple[str, ...]:
    return (*(f"{value:.6g}" for value in values), *[NOTHING] * (wide - len(values)))


def _over_tokens(result: Result) -> list[Measurement]:
    return [m for m in result.measurements if m.samples and m.over == "tokens"]


def _percentiles(part: Part, result: Result) -> Table:
    rows = tuple(
        Row(
            (
                m.cell,
                f"{len(m.samples):,}",
                *(shown(value, m.metric) for value in (min(m.samples), *_at(m), max(m.samples))),
            )
        )
        for m in _over_tokens(result)
    )
    columns = (*left("Cell"), *right("Gaps", "shortest", *(f"p{each}" for each in PERCENTILES), "longest"))
    note = "Over tokens, not over runs: each gap counts once."
    return Table(f"percentiles-{key(part)}", f"Gaps between tokens: {part.title}", columns, rows, note)


def _at(measured: Measurement) -> Iterator[float]:
    ordered = sorted(measured.samples)
    yield from (percentile(ordered, each) for each in PERCENTILES)


def _gaps(part: Part, result: Result) -> Table:
    found, key_ = _over_tokens(result), f"gaps-{key(part)}"
    title, columns = f"Every gap between tokens: {part.title}", left("Cell", "ms, in the order taken")
    count = sum(len(m.samples) for m in found)
    if count > MOST_GAPS:
        rows: tuple[Row, ...] = (
            Row(("all", f"{count:,} gaps: too many for a page; the Result in results/ has them")),
        )
        return Table(key_, title, columns, rows)
    return Table(key_, title, columns, tuple(Row((m.cell, _milliseconds(m))) for m in found))


def _milliseconds(measured: Measurement) -> str:
    return " ".join(f"{value * 1000:.4g}" for value in measured.samples)


def _series(part: Part, result: Result) -> Table:
    series = result.telemetry.get("series", {})
    columns = right(*(name.replace("_", " ") for name in series))
    rows = tuple(Row(tuple(map(_cell, values))) for values in zip(*series.values(), strict=True))
    note = "As drawn above; every look at the host is in results/, whole."
    return Table(f"series-{key(part)}", f"Telemetry over time: {part.title}", columns, rows, note)


def _cell(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.6g}" if value < 1e6 else f"{value:.4g}"
