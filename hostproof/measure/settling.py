"""Whether runs settle a bound: the one rule by which the instrument goes on or stops and the judge decides afterwards. Pure.

Which ordered runs make the interval at which number of runs comes from outside (`ranks`): those critical values are the judge's.
What is added here is caution. First runs that were still warming up are left out, and runs that resemble the one before count as
fewer. The method and its error rates: docs/judging.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from math import comb, floor, sqrt
from statistics import fmean
from typing import Literal

Better = Literal["higher", "lower"]
Side = Literal["good", "bad", "across"]
Ranks = Callable[[int], tuple[int, int] | None]

WARM_LEVEL = 0.025
"""How often a steady host loses first runs."""
CAUTION = 0.84
"""In deviations: a lag-1 correlation that chance exceeds once in five already makes the interval wider. So few runs show no
dependence for sure, and believing too little of them costs less than a run on average."""
CAUTION_RUNS = 7
"""Fewer runs show nothing of it."""
FAR = 0.5
"""A bound further from the nearest run than this share of the runs' whole range is not reached by resembling."""


@dataclass(frozen=True)
class Bound:
    """In the metric's unit; None: none on that side. `good`: the metric's good side, None if it has none."""

    low: float | None
    high: float | None
    good: Better | None = None


@dataclass(frozen=True)
class Settled:
    side: Side
    low: float | None
    """The interval of the median; None: there is none."""
    high: float | None
    cold: int
    """First runs that were left out."""
    worth: int
    """As how many runs they count; their number, unless they resemble each other."""


def settle(samples: Sequence[float], bound: Bound, ranks: Ranks) -> Settled:
    cold = warming(samples, bound.good)
    ordered, n = sorted(samples[cold:]), len(samples) - cold
    worth = n
    alike = len(samples) >= CAUTION_RUNS and correlation(samples[cold:]) > expected(n)
    if alike and not _far(ordered, bound):
        worth = floor(independent(samples[cold:]))
    found = ranks(worth)
    if found is None:
        return Settled("across", None, None, cold, worth)
    lower = found[0] if worth == n else max(1, floor((n + 1) * found[0] / (worth + 1)))
    low, high = ordered[lower - 1], ordered[n - lower]
    return Settled(side(low, high, bound), low, high, cold, worth)


def side(low: float | None, high: float | None, bound: Bound) -> Side:
    """Of an interval. Touching a bound counts as good; without any bound nothing is."""
    if bound.low is None and bound.high is None:
        return "across"
    above = bound.low is None or (low is not None and low >= bound.low)
    below = bound.high is None or (high is not None and high <= bound.high)
    if above and below:
        return "good"
    too_low = bound.low is not None and high is not None and high < bound.low
    too_high = bound.high is not None and low is not None and low > bound.high
    return "bad" if too_low or too_high else "across"


def warming(samples: Sequence[float], good: Better | None) -> int:
    """How many first runs were still warming up: all of them worse than every later one. 0 if chance may have done it.

    A host that gets *slower* is never helped: only worse runs at the start are left out, and at most a third of all.
    """
    if good is None:
        return 0
    values = [-value for value in samples] if good == "lower" else list(samples)
    return next((k for k in lengths(len(values)) if max(values[:k]) < min(values[k:])), 0)


@cache
def lengths(n: int) -> tuple[int, ...]:
    """How many first runs of n can be told from chance, longest first; none below 9 runs.

    In random order the first k of n are the k worst with a chance of 1 in C(n, k); those of all k here add up to 2.5 % at most.
    """
    found: list[int] = []
    spent = 0.0
    for k in range(n // 3, 0, -1):
        spent += 1 / comb(n, k)
        if spent > WARM_LEVEL:
            break
        found.append(k)
    return tuple(found)


def correlation(samples: Sequence[float]) -> float:
    """Lag-1, of the runs in the order taken; 0 if they are all equal, or fewer than two."""
    mean = fmean(samples) if samples else 0.0
    total = sum((x - mean) ** 2 for x in samples)
    return sum((a - mean) * (b - mean) for a, b in pairwise(samples)) / total if total else 0.0


def expected(n: int, deviations: float = CAUTION) -> float:
    """What the lag-1 correlation of n runs in random order exceeds seldom: its mean is −1/n, its variance about (n − 2)² / (n² (n − 1))."""
    return -1 / n + deviations * (n - 2) / (n * sqrt(n - 1)) if n > 2 else 1.0


def independent(samples: Sequence[float]) -> float:
    """As how many independent runs they count: n (1 − r) / (1 + r), as for the mean of a first-order autoregression (Bartlett 1946).

    r is the lag-1 correlation, its bias of −1/n taken out.
    """
    n = len(samples)
    found = min(1.0, max(0.0, correlation(samples) + 1 / n))
    return n * (1 - found) / (1 + found)


def _far(ordered: Sequence[float], bound: Bound) -> bool:
    ends = [end for end in (bound.low, bound.high) if end is not None]
    gaps = [max(ordered[0] - end, end - ordered[-1]) for end in ends]
    return bool(gaps) and min(gaps) > FAR * (ordered[-1] - ordered[0])
