"""From measured runs to thresholds that a host keeps unless it gets worse. Pure.

A proposal is `no_worse_than`: the median of the runs' medians, and a margin that covers what those runs themselves varied by.
It never touches a bound of another kind: those are wishes, and no measurement changes a wish.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median

from hostproof.judge import statistics
from hostproof.measure.result import Result, unit_of
from hostproof.measure.workload import Cell

METRICS = ("ttft", "generation_throughput")
WARM_METRICS = ("prefix_cache_hit_rate",)
LEAST_MARGIN = 0.05
FEW_MEASUREMENTS = 3
FEW_MARGIN = 0.10
"""With fewer measurements nobody knows what differs from one boot to the next: at least so much."""
MOST_MARGIN = 0.5
"""Beyond it a bound would say nothing."""


@dataclass(frozen=True)
class Proposal:
    """`baseline` in the metric's unit, `margin` a share of it."""

    cell: str
    metric: str
    baseline: float
    margin: float
    measurements: int
    runs: int
    between: tuple[str, str]
    """Days of the first and the last measurement, UTC."""

    @property
    def source(self) -> str:
        first, last = self.between
        days = first if first == last else f"{first} to {last}"
        many = "s" if self.measurements > 1 else ""
        return f"calibrated: {self.measurements} measurement{many}, {self.runs} runs, {days}"

    @property
    def unit(self) -> str:
        return unit_of(self.metric)


def propose(results: Sequence[Result], cells: Sequence[Cell]) -> tuple[list[Proposal], list[str]]:
    """Of Results of one setup, model and workload. Also why a figure is not proposed."""
    good = [each for each in results if usable(each) is None]
    found: list[Proposal] = []
    refused: list[str] = []
    for cell, metric in _wanted(cells):
        made = _proposal(good, cell.name, metric)
        if isinstance(made, str):
            refused.append(f"{metric} in {cell.name}: {made}")
        else:
            found.append(made)
    return found, refused


def usable(result: Result) -> str | None:
    """Why a Result is no standard to hold others to; None if it is one."""
    if not result.checks:
        return "its server's behaviour was not checked"
    if failed := [check.name for check in result.checks if not check.passed]:
        return f"its server failed {', '.join(failed)}"
    if result.unfinished:
        return f"it was not run to its end: {result.unfinished}"
    return None


def _wanted(cells: Sequence[Cell]) -> Iterator[tuple[Cell, str]]:
    for cell in cells:
        yield from ((cell, metric) for metric in METRICS)
        if cell.cache == "warm":
            yield from ((cell, metric) for metric in WARM_METRICS)


def _proposal(results: Sequence[Result], cell: str, metric: str) -> Proposal | str:
    found = [(each, m.samples) for each in results if (m := each.find(cell, metric)) and m.samples]
    samples = [value for _, values in found for value in values]
    whole = statistics.median_interval(samples) if samples else None
    if whole is None or whole.low is None or whole.high is None:
        return f"{len(samples)} runs are too few for an interval: it takes {statistics.LOOKS[0]}"
    medians = [median(values) for _, values in found]
    baseline = median(medians)
    if baseline <= 0:
        return f"its median is {baseline:g}, and nothing is a share of that"
    apart = max(abs(each / baseline - 1) for each in medians)
    wide = max(whole.high - baseline, baseline - whole.low) / baseline
    least = FEW_MARGIN if len(found) < FEW_MEASUREMENTS else LEAST_MARGIN
    margin = ceil(100 * max(least, 2 * apart, wide) - 1e-9) / 100
    if margin > MOST_MARGIN:
        return f"it varies by {max(2 * apart, wide):.0%}, and a bound so wide says nothing: measure on a quieter host"
    days = sorted(each.started[:10] for each, _ in found)
    return Proposal(
        cell, metric, float(f"{baseline:.4g}"), margin, len(found), len(samples), (days[0], days[-1])
    )
