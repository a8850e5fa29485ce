"""A host over its runs: a table a setup, a row a run. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hostproof.judge.changes import Change
from hostproof.judge.trend import LEVEL, Series, fewest_runs
from hostproof.judge.units import label, shown
from hostproof.report.table import NOTHING, Row, Table, left, right


def tables(found: Sequence[Series]) -> Iterator[Table]:
    keys = dict.fromkeys((each.setup, each.model, each.workload) for each in found)
    for key in keys:
        chosen = [each for each in found if (each.setup, each.model, each.workload) == key]
        yield _table(key, chosen, fewest_runs(found))


def _table(key: tuple[str, str, str], series: Sequence[Series], fewest: int) -> Table:
    setup, model, workload = key
    runs = dict.fromkeys((point.started, point.run) for each in series for point in each.points)
    rows = tuple(
        Row((started.removesuffix("+00:00"), run, *(_figure(each, run) for each in series)))
        for started, run in sorted(runs)
    )
    columns = (*left("Started (UTC)", "Run"), *right(*(f"{label(s.metric)}, {s.cell}" for s in series)))
    note = (
        f"Median of each run. An arrow marks the first run of a new level (Pettitt's test; {LEVEL:.0%} false alarms over all "
        f"series of the host together; from {fewest} runs on)."
    )
    return Table(f"history-{setup}-{workload}", f"{setup}: {model}, workload {workload}", columns, rows, note)


def _figure(series: Series, run: str) -> str:
    for index, point in enumerate(series.points):
        if point.run == run:
            step = next((each for each in series.changes if each.index == index), None)
            sign = "" if step is None else "↑ " if step.after > step.before else "↓ "
            return f"{sign}{shown(point.interval.value, series.metric)}"
    return NOTHING


def sentences(series: Series) -> Iterator[str]:
    """One for each change, with what else changed then."""
    for step, around in zip(series.changes, series.around, strict=True):
        told = [f"{name} {before} → {after}" for name, before, after in around]
        beside = f"; then also: {', '.join(told)}" if told else "; nothing that was recorded changed with it"
        yield f"{_step(series, step)}{beside}"


def _step(series: Series, step: Change) -> str:
    point, before = series.points[step.index], series.points[step.index - 1]
    word = "worse" if series.is_worse(step) else "better"
    moved = f"{shown(step.before, series.metric)} → {shown(step.after, series.metric)}"
    share = f"{step.after / step.before - 1:+.0%}, " if step.before else ""
    where = f"{label(series.metric)} in {series.cell} of {series.setup}"
    return f"{where} got {word} with run {point.run} (after {before.run}): {moved} ({share}chance {step.chance:.2g})"
