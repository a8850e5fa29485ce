"""Intervals that assume no distribution, from order statistics; spread; lag-1 autocorrelation. Pure.

The sample is the run. Tokens inside a run are not independent: over tokens there are percentiles to look at,
never an interval. The method and its error rates: docs/judging.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil, floor
from statistics import median

from hostproof.measure import settling

CONFIDENCE = 0.95
LOOKS = (6, 9, 13, 18, 25)
"""Numbers of runs at which it pays to look: the ranks move inwards at each."""
P95, P99 = 0.95, 0.99
P95_RUNS, P99_RUNS = 59, 299
"""The fewest runs whose largest lies above the percentile with 95 % confidence: 0.95^59 = 4.8 %, 0.99^299 = 4.95 %."""
DEPENDENT = 1.645
"""In deviations, one-sided 5 %."""
AUTOCORRELATION_RUNS = 9
"""Fewer runs cannot show dependence apart from chance."""


@dataclass(frozen=True)
class Interval:
    """`low` None: no lower limit at this confidence; `high` likewise."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Spread:
    """How far the runs lie apart. Quartiles by linear interpolation, as numpy does."""

    low: float
    first_quartile: float
    third_quartile: float
    high: float

    @property
    def iqr(self) -> float:
        return self.third_quartile - self.first_quartile


@cache
def median_ranks(n: int) -> tuple[int, int] | None:
    """1-based ranks of the 95 % interval of the median, the narrowest symmetric pair; None below 6 runs.

    The k-th smallest lies above the median with probability P(Bin(n, ½) < k): both ends may miss by 2.5 %.
    """
    below = _at_most(n, 0.5)
    lower = sum(chance <= (1 - CONFIDENCE) / 2 for chance in below)
    return (lower, n + 1 - lower) if lower else None


def median_interval(samples: Sequence[float]) -> Interval:
    ranks, ordered = median_ranks(len(samples)), sorted(samples)
    middle = median(ordered)
    if ranks is None:
        return Interval(middle, None, None)
    return Interval(middle, ordered[ranks[0] - 1], ordered[ranks[1] - 1])


@cache
def quantile_ranks(n: int, share: float) -> tuple[int | None, int | None]:
    """1-based ranks of the lower and upper 95 % limit of a quantile, each one-sided.

    The k-th smallest lies at or above the quantile with probability P(Bin(n, share) < k). None: no rank
    is that sure.
    """
    below = _at_most(n, share)
    upper = next((k for k, chance in enumerate(below, 1) if chance >= CONFIDENCE), None)
    lower = next((k for k in range(n, 0, -1) if 1 - below[k - 1] >= CONFIDENCE), None)
    return lower, upper


def quantile_interval(samples: Sequence[float], share: float) -> Interval:
    ordered = sorted(samples)
    lower, upper = quantile_ranks(len(ordered), share)
    return Interval(
        percentile(ordered, 100 * share),
        ordered[lower - 1] if lower else None,
        ordered[upper - 1] if upper else None,
    )


def _at_most(n: int, chance: float) -> list[float]:
    """P(Bin(n, chance) ≤ k) for k from 0 to n − 1."""
    from scipy.special import bdtr  # noqa: PLC0415 — no other task has to wait a second for it

    return [float(bdtr(k, n, chance)) for k in range(n)]


def percentile(samples: Sequence[float], percent: float) -> float:
    """Linear interpolation between the neighbours; to look at, never to judge by."""
    ordered = sorted(samples)
    at = (len(ordered) - 1) * percent / 100
    below, above = ordered[floor(at)], ordered[ceil(at)]
    return below + (above - below) * (at - floor(at))


def spread(samples: Sequence[float]) -> Spread:
    return Spread(min(samples), percentile(samples, 25), percentile(samples, 75), max(samples))


def autocorrelation(samples: Sequence[float]) -> float | None:
    """Lag-1 correlation of the runs in the order taken; None for too few runs, or if all are equal."""
    if len(samples) < AUTOCORRELATION_RUNS or min(samples) == max(samples):
        return None
    return settling.correlation(samples)


def depends_on_the_run_before(samples: Sequence[float]) -> bool:
    """True if the lag-1 correlation is above what chance gives once in about 20 (one-sided)."""
    found = autocorrelation(samples)
    return found is not None and found > settling.expected(len(samples), DEPENDENT)
