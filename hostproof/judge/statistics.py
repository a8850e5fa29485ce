"""Intervals that assume no distribution, from order statistics; spread; lag-1 autocorrelation. Pure.

The sample is the run. Tokens inside a run are not independent: over tokens there are percentiles to look at,
never an interval. The method and its error rates: docs/judging.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from math import ceil, comb, floor, sqrt
from statistics import fmean, median

CONFIDENCE = 0.95
LOOKS = (6, 9, 13, 18, 25)
"""Numbers of runs at which it pays to look: the ranks move inwards at each."""
P95 = 0.95
P95_RUNS = 59
"""The fewest runs whose largest lies above the 95th percentile with 95 % confidence: 0.95^59 = 4.8 %."""
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
    if 0.5**n > (1 - CONFIDENCE) / 2:
        return None
    lower, tail = 0, 0.0
    while tail + comb(n, lower) * 0.5**n <= (1 - CONFIDENCE) / 2:
        tail += comb(n, lower) * 0.5**n
        lower += 1
    return lower, n + 1 - lower


def median_interval(samples: Sequence[float]) -> Interval:
    ranks, ordered = median_ranks(len(samples)), sorted(samples)
    middle = median(ordered)
    if ranks is None:
        return Interval(middle, None, None)
    return Interval(middle, ordered[ranks[0] - 1], ordered[ranks[1] - 1])


@cache
def p95_ranks(n: int) -> tuple[int | None, int | None]:
    """1-based ranks of the lower and upper 95 % limit of the 95th percentile, each one-sided.

    The k-th smallest lies at or above the percentile with probability P(Bin(n, 0.95) < k). None: no rank
    is that sure.
    """
    below = [_binomial_cdf(k - 1, n, P95) for k in range(1, n + 1)]
    upper = next((k for k, chance in enumerate(below, 1) if chance >= CONFIDENCE), None)
    lower = next((k for k in range(n, 0, -1) if 1 - below[k - 1] >= CONFIDENCE), None)
    return lower, upper


def _binomial_cdf(k: int, n: int, p: float) -> float:
    return sum(comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1))


def p95_interval(samples: Sequence[float]) -> Interval:
    ordered = sorted(samples)
    lower, upper = p95_ranks(len(ordered))
    return Interval(
        percentile(ordered, 95),
        ordered[lower - 1] if lower else None,
        ordered[upper - 1] if upper else None,
    )


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
    n = len(samples)
    if n < AUTOCORRELATION_RUNS:
        return None
    mean = fmean(samples)
    total = sum((x - mean) ** 2 for x in samples)
    if total == 0:
        return None
    return sum((a - mean) * (b - mean) for a, b in pairwise(samples)) / total


def depends_on_the_run_before(samples: Sequence[float]) -> bool:
    """True if the lag-1 correlation is above what chance gives once in about 20 (one-sided).

    For runs in random order its mean is −1/n, its variance about (n − 2)² / (n² (n − 1)).
    """
    found, n = autocorrelation(samples), len(samples)
    return found is not None and found > -1 / n + 1.645 * (n - 2) / (n * sqrt(n - 1))


def next_look(n: int) -> int | None:
    """How many runs would be worth the next look; None after the last."""
    return next((look for look in LOOKS if look > n), None)
