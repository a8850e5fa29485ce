"""Thresholds as data: `inventory/thresholds/*.yml` → `ThresholdsFile`. What cannot be judged is refused here.

A bound that every measurement meets, one that none can meet, and a cell that nobody looks at are errors at
load time, before a server is started: docs/thresholds.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hostproof.errors import HostproofError
from hostproof.judge.bounds import KINDS, Bounds, read_bounds
from hostproof.judge.marked import Entry, Fields, nearest, read
from hostproof.judge.model import Statistic, Threshold
from hostproof.measure.result import LATENCY_AT, METRICS, ResultError, unit_of
from hostproof.measure.workload import Cell, Workload

SCHEMA = "hostproof.thresholds/2"
BEFORE = "hostproof.thresholds/1"
STATISTICS: tuple[Statistic, ...] = ("median", "p95", "p99", "max")
_TOP = ("schema", "hardware", "setup", "model", "workload", "source", "thresholds", "not_judged")
_REQUIRED = ("schema", "hardware", "setup", "model", "workload", "source", "thresholds")
_ENTRY = ("cell", "metric", "statistic", *KINDS, "unit", "goal", "source")
Key = tuple[str, str, str, str]


@dataclass(frozen=True)
class ThresholdsFile:
    """What one setup on one class of hardware with one model must reach in one workload."""

    file: Path
    hardware: str
    setup: str
    model: str
    workload: str
    thresholds: tuple[Threshold, ...]
    not_judged: Mapping[str, str]
    """Cell → why it has no threshold."""
    not_judged_where: str = ""

    @property
    def key(self) -> Key:
        return self.hardware, self.setup, self.model, self.workload


def load(folder: Path) -> Mapping[Key, ThresholdsFile]:
    """All thresholds of a folder, by hardware, setup, model and workload. Errors tell file, line and key."""
    if not folder.is_dir():
        raise HostproofError("no such folder of thresholds", where=str(folder), mend="Check thresholds_dir.")
    found: dict[Key, ThresholdsFile] = {}
    for path in sorted([*folder.glob("*.yml"), *folder.glob("*.yaml")]):
        loaded = load_file(path)
        if other := found.get(loaded.key):
            raise HostproofError(
                f"the same hardware, setup, model and workload as {other.file}",
                where=str(path),
                mend="Keep one of them.",
            )
        found[loaded.key] = loaded
    return found


def load_file(path: Path) -> ThresholdsFile:
    entry = read(path)
    top = entry.fields(_TOP, _REQUIRED)
    if (schema := top["schema"].text()) != SCHEMA:
        raise top["schema"].error(f"is {schema!r}", _other_schema(schema))
    source = top["source"].text()
    items = top["thresholds"].items()
    if not items:
        raise top["thresholds"].error("is empty, and nothing judged is nothing proven", "Add a threshold.")
    thresholds = tuple(_threshold(item, source) for item in items)
    _no_twins(thresholds, items)
    skipped = top.get("not_judged")
    return ThresholdsFile(
        file=path,
        hardware=top["hardware"].text(),
        setup=top["setup"].text(),
        model=top["model"].text(),
        workload=top["workload"].text(),
        thresholds=thresholds,
        not_judged=skipped.texts() if skipped else {},
        not_judged_where=skipped.where if skipped else "",
    )


def _other_schema(schema: str) -> str:
    known = f"This reader knows {SCHEMA!r}."
    if schema != BEFORE:
        return known
    return (
        f"{known} Since then: at_least is `min`, at_most is `max`, every bound has its `unit`, the file names its `workload`, "
        "and a share of the ceiling is `min_fraction_of_roofline` of generation_throughput (docs/thresholds.md)."
    )


def _threshold(item: Entry, source: str) -> Threshold:
    fields = item.fields(_ENTRY, ("cell", "metric", "statistic"))
    metric, statistic = _metric(fields["metric"]), _statistic(fields)
    bounds = read_bounds(item, fields, metric)
    _only_upper(fields["statistic"], statistic, bounds)
    own, goal = fields.get("source"), fields.get("goal")
    return Threshold(
        cell=fields["cell"].text(),
        metric=metric,
        kind=bounds.kind,
        low=bounds.low,
        high=bounds.high,
        statistic=statistic,
        source=own.text() if own else source,
        where=item.where,
        goal=goal.truth() if goal else False,
        fraction=bounds.fraction,
        baseline=bounds.baseline,
        margin=bounds.margin,
    )


def _only_upper(entry: Entry, statistic: Statistic, bounds: Bounds) -> None:
    if statistic != "median" and (bounds.low is not None or bounds.fraction is not None):
        raise entry.error(
            f"{statistic} goes with an upper bound alone: a good slowest run proves nothing of a lower one",
            "Use median.",
        )


def _metric(entry: Entry) -> str:
    name = entry.text()
    if name == "ceiling_fraction":
        raise entry.error(
            "a share of the ceiling has a kind of its own",
            "Write metric: generation_throughput and min_fraction_of_roofline: 0.3.",
        )
    try:
        unit_of(name)
    except ResultError as error:
        known = [*METRICS, f"{LATENCY_AT}<output tokens>"]
        raise entry.error(
            f"unknown metric {name!r}", f"{nearest(name, known)}Known: {', '.join(known)}."
        ) from error
    return name


def _statistic(fields: Fields) -> Statistic:
    entry, metric = fields["statistic"], fields["metric"].text()
    name = entry.text()
    if name not in STATISTICS:
        raise entry.error(f"unknown statistic {name!r}", f"Known: {', '.join(STATISTICS)}.")
    if metric == "failed_requests" and name != "max":
        raise entry.error(f"{name} of failed requests hides one failed request in ten", "Use max.")
    if metric == "inter_token_latency" and name != "max":
        raise entry.error(
            f"{name} of gaps between tokens has no interval: tokens of one run depend on each other",
            f"Use max, or bound generation_throughput or {LATENCY_AT}<output tokens>.",
        )
    return name


def _no_twins(thresholds: Iterable[Threshold], items: Iterable[Entry]) -> None:
    """Nor two that nothing can meet together."""
    seen: list[Threshold] = []
    for threshold, item in zip(thresholds, items, strict=True):
        for other in seen:
            if (other.cell, other.metric, other.statistic) != (
                threshold.cell,
                threshold.metric,
                threshold.statistic,
            ):
                continue
            if (other.kind, other.goal) == (threshold.kind, threshold.goal):
                raise item.error("the same threshold twice", f"First at {other.where}; keep one of them.")
            if _apart(threshold, other) or _apart(other, threshold):
                raise item.error(
                    "nothing can meet this threshold and another one", f"See {other.where}; mend one of them."
                )
        seen.append(threshold)


def _apart(one: Threshold, other: Threshold) -> bool:
    return one.high is not None and other.low is not None and one.high < other.low


def choose(found: Mapping[Key, ThresholdsFile], wanted: Key, folder: Path) -> ThresholdsFile:
    """The thresholds of a hardware, setup, model and workload; if there are none, the nearest are named."""
    if wanted in found:
        return found[wanted]
    known = {" + ".join(key): str(thresholds.file) for key, thresholds in found.items()}
    hardware, setup, model, workload = wanted
    listed = "; ".join(f"{name} ({file})" for name, file in known.items()) or "none"
    raise HostproofError(
        f"no thresholds for hardware {hardware}, setup {setup}, model {model}, workload {workload}",
        where=str(folder),
        mend=f"{nearest(' + '.join(wanted), known)}Known: {listed}.",
    )


def compare(thresholds: ThresholdsFile, workload: Workload) -> None:
    """Both ways: every threshold meets a measurement, every cell a threshold or a reason for none."""
    if thresholds.workload != workload.name:
        raise HostproofError(
            f"holds for workload {thresholds.workload!r}, and {workload.name!r} is to be judged",
            where=f"{thresholds.file}, key workload",
            mend="Measure that workload, or take another file.",
        )
    cells = {cell.name: cell for cell in workload.cells}
    for threshold in thresholds.thresholds:
        where = f"{threshold.where}, key cell"
        if threshold.cell not in cells:
            _no_such_cell(threshold.cell, where, workload)
        _can_yield(threshold, cells[threshold.cell])
    for cell in thresholds.not_judged:
        if cell not in cells:
            _no_such_cell(cell, f"{thresholds.not_judged_where}, key not_judged.{cell}", workload)
    judged = {threshold.cell for threshold in thresholds.thresholds}
    if both := sorted(judged & set(thresholds.not_judged)):
        raise HostproofError(
            f"the cell {both[0]!r} has thresholds and is listed as not judged",
            where=f"{thresholds.not_judged_where}, key not_judged.{both[0]}",
            mend="Take one of them out.",
        )
    if bare := [name for name in cells if name not in judged and name not in thresholds.not_judged]:
        raise HostproofError(
            f"the cell {bare[0]!r} of workload {workload.name!r} has no threshold",
            where=f"{thresholds.file}, key thresholds",
            mend=f"Add one, or say why there is none: `not_judged: {{{bare[0]}: <reason>}}`.",
        )


def _no_such_cell(cell: str, where: str, workload: Workload) -> None:
    known = [known.name for known in workload.cells]
    raise HostproofError(
        f"the workload {workload.name!r} has no cell {cell!r}",
        where=where,
        mend=f"{nearest(cell, known)}Its cells: {', '.join(known)}.",
    )


def _can_yield(threshold: Threshold, cell: Cell) -> None:
    metric, where = threshold.metric, f"{threshold.where}, key metric"
    if metric.startswith(LATENCY_AT):
        known = [f"{LATENCY_AT}{tokens}" for tokens in cell.checkpoints]
        if metric not in known:
            raise HostproofError(
                f"the cell {cell.name!r} does not measure {metric}",
                where=where,
                mend=f"It measures: {', '.join(known) or 'none'}; the workload's `checkpoints` add more.",
            )
    if metric == "prompt_throughput" and cell.cache == "warm":
        raise HostproofError(
            f"the cell {cell.name!r} is warm: its prompt comes from the cache and has no speed",
            where=where,
            mend="Judge prompt_throughput in a cold cell, ttft or prefix_cache_hit_rate here.",
        )
