"""How many times larger one sample is than another, with an interval that assumes no distribution. Pure.

Every pair gives a ratio; the interval runs between two ordered ratios whose ranks follow from the Mann-Whitney distribution
(Hodges and Lehmann 1963, Moses 1965). It holds where both samples have one shape on a scale of ratios; tests show by simulation
what it does where they do not. Values of 0 have no ratio: then it is differences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import median
from typing import Literal

from hostproof.judge.statistics import Interval


@dataclass(frozen=True)
class Shift:
    """From `before` to `after`: a ratio (1: the same), or a difference in the metric's unit (0: the same)."""

    kind: Literal["ratio", "difference"]
    interval: Interval

    @property
    def same(self) -> float:
        return 1.0 if self.kind == "ratio" else 0.0

    @property
    def side(self) -> Literal["more", "less", "cannot tell"]:
        """`more` and `less` only if the whole interval is."""
        low, high = self.interval.low, self.interval.high
        if low is not None and low > self.same:
            return "more"
        return "less" if high is not None and high < self.same else "cannot tell"


def shift(before: Sequence[float], after: Sequence[float], confidence: float) -> Shift:
    """Neither may be empty. Without enough runs for the confidence, the interval has no limits."""
    if min(*before, *after) > 0:
        pairs = sorted(b / a for a in before for b in after)
        kind: Literal["ratio", "difference"] = "ratio"
    else:
        pairs = sorted(b - a for a in before for b in after)
        kind = "difference"
    rank = outer_rank(len(before), len(after), confidence)
    if rank is None:
        return Shift(kind, Interval(median(pairs), None, None))
    return Shift(kind, Interval(median(pairs), pairs[rank - 1], pairs[-rank]))


@cache
def outer_rank(m: int, n: int, confidence: float) -> int | None:
    """1-based rank, from either end of the m·n ordered pairs, of the interval's limits; None: no rank is that sure.

    The k-th pair lies beyond no shift with probability P(U < k), U being Mann and Whitney's.
    """
    ways, total, below, rank = _ways(m, n), 0, 0.0, 0
    every = sum(ways)
    for count in ways:
        total += count
        below = total / every
        if below > (1 - confidence) / 2:
            break
        rank += 1
    return rank or None


@cache
def _ways(m: int, n: int) -> tuple[int, ...]:
    """For each U, how many orders of m + n runs give it: the coefficients of Gauss's binomial (Mann and Whitney 1947)."""
    ways = [1] + [0] * (m * n)
    for i in range(1, min(m, n) + 1):
        top = max(m, n) + i
        for u in range(m * n, top - 1, -1):
            ways[u] -= ways[u - top]
        for u in range(i, m * n + 1):
            ways[u] += ways[u - i]
    return tuple(ways)
