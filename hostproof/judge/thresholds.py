"""Thresholds as data: `inventory/thresholds/*.yml` → `ThresholdsFile`. What cannot be judged is refused here.

A bound that every measurement meets, one that none can meet, and a cell that nobody looks at are errors at
load time, before a server is started: docs/thresholds.md.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hostproof.errors import HostproofError
from hostproof.judge.marked import Entry, Fields, nearest, read
from hostproof.judge.model import Side, Statistic, Threshold
from hostproof.measure.result import LATENCY_AT, METRICS, ResultError, unit_of
from hostproof.measure.workload import Cell, Workload

SCHEMA = "hostproof.thresholds/1"
STATISTICS: tuple[Statistic, ...] = ("median", "p95", "max")
_TOP = ("schema", "hardware", "setup", "model", "source", "thresholds", "not_judged")
_REQUIRED = ("schema", "hardware", "setup", "model", "source", "thresholds")
_ENTRY = ("cell", "metric", "statistic", "at_least", "at_most", "source")
_DECIMAL = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?")
Key = tuple[str, str, str]


@dataclass(frozen=True)
class ThresholdsFile:
    """What one setup on one class of hardware with one model must reach."""

    file: Path
    hardware: str
    setup: str
    model: str
    thresholds: tuple[Threshold, ...]
    not_judged: Mapping[str, str]
    """Cell → why it has no threshold."""
    not_judged_where: str = ""

    @property
    def key(self) -> Key:
        return self.hardware, self.setup, self.model


def load(folder: Path) -> Mapping[Key, ThresholdsFile]:
    """All thresholds of a folder, by hardware, setup and model. Errors tell file, line and key."""
    if not folder.is_dir():
        raise HostproofError("no such folder of thresholds", where=str(folder), mend="Check thresholds_dir.")
    found: dict[Key, ThresholdsFile] = {}
    for path in sorted([*folder.glob("*.yml"), *folder.glob("*.yaml")]):
        loaded = load_file(path)
        if other := found.get(loaded.key):
            raise HostproofError(
                f"the same hardware, setup and model as {other.file}",
                where=str(path),
                mend="Keep one of them.",
            )
        found[loaded.key] = loaded
    return found


def load_file(path: Path) -> ThresholdsFile:
    entry = read(path)
    top = entry.fields(_TOP, _REQUIRED)
    if (schema := top["schema"].text()) != SCHEMA:
        raise top["schema"].error(f"is {schema!r}", f"This reader knows {SCHEMA!r}.")
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
        thresholds=thresholds,
        not_judged=skipped.texts() if skipped else {},
        not_judged_where=skipped.where if skipped else "",
    )


def _threshold(item: Entry, source: str) -> Threshold:
    fields = item.fields(_ENTRY, ("cell", "metric", "statistic"))
    metric, statistic = _metric(fields["metric"]), _statistic(fields)
    side, bound = _bound(item, fields, metric)
    if statistic != "median" and side == "at_least":
        raise fields["statistic"].error(
            f"{statistic} goes with at_most: a good slowest run proves nothing of a lower bound",
            "Use median.",
        )
    own = fields.get("source")
    return Threshold(
        cell=fields["cell"].text(),
        metric=metric,
        side=side,
        bound=bound,
        statistic=statistic,
        source=own.text() if own else source,
        where=item.where,
    )


def _metric(entry: Entry) -> str:
    name = entry.text()
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


def _bound(item: Entry, fields: Fields, metric: str) -> tuple[Side, float]:
    sides: tuple[Side, ...] = ("at_least", "at_most")
    given = [side for side in sides if fields.get(side)]
    if len(given) != 1:
        raise item.error("needs at_least or at_most, one of them", "Write two entries for a band.")
    side = given[0]
    entry = fields[side]
    bound = _number(entry)
    if side == "at_least" and bound <= 0:
        raise entry.error(f"a lower bound of {bound:g} is met by everything", "Write the least that is good.")
    if bound < 0:
        raise entry.error(f"nothing can be below {bound:g}", "An upper bound is 0 or more.")
    if unit_of(metric) == "ratio":
        _check_ratio(entry, side, bound)
    return side, bound


def _check_ratio(entry: Entry, side: Side, bound: float) -> None:
    if side == "at_most" and bound >= 1:
        raise entry.error(
            f"an upper bound of {bound:g} on a ratio is met by everything", "Ratios are 0..1: 12 % is 0.12."
        )
    if side == "at_least" and bound > 1:
        raise entry.error(f"no ratio reaches {bound:g}", "Ratios are 0..1: 20 % is 0.2.")


def _number(entry: Entry) -> float:
    """Only plain decimals: YAML takes 010 for 8, 1:30 for 90, yes for true and 1e3 for a text."""
    text = str(entry.node.value)
    if entry.node.tag.rpartition(":")[2] not in ("int", "float") or not _DECIMAL.fullmatch(text):
        raise entry.error(
            f"must be a finite decimal number, not {text!r}", "Write it like 25 or 0.12, unquoted."
        )
    if len(text.lstrip("+-").partition(".")[0]) > 1 and text.lstrip("+-").startswith("0"):
        raise entry.error(f"{text!r} could be read as octal", "Leave the leading zero out.")
    value = float(text)
    if not math.isfinite(value):
        raise entry.error(f"{text!r} is too large for a number", "Write the bound in the metric's own unit.")
    return value


def _no_twins(thresholds: Iterable[Threshold], items: Iterable[Entry]) -> None:
    seen: dict[tuple[str, str, str, str], str] = {}
    for threshold, item in zip(thresholds, items, strict=True):
        same = (threshold.cell, threshold.metric, threshold.statistic, threshold.side)
        if first := seen.get(same):
            raise item.error("the same threshold twice", f"First at {first}; keep one of them.")
        seen[same] = threshold.where


def choose(found: Mapping[Key, ThresholdsFile], wanted: Key, folder: Path) -> ThresholdsFile:
    """The thresholds of a hardware, setup and model; if there are none, the nearest are named."""
    if wanted in found:
        return found[wanted]
    known = {" + ".join(key): str(thresholds.file) for key, thresholds in found.items()}
    hardware, setup, model = wanted
    listed = "; ".join(f"{name} ({file})" for name, file in known.items()) or "none"
    raise HostproofError(
        f"no thresholds for hardware {hardware}, setup {setup}, model {model}",
        where=str(folder),
        mend=f"{nearest(' + '.join(wanted), known)}Known: {listed}.",
    )


def compare(thresholds: ThresholdsFile, workload: Workload) -> None:
    """Both ways: every threshold meets a measurement, every cell a threshold or a reason for none."""
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
