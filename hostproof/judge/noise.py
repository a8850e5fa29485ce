"""The noise floor: what a setup differs from itself (A/A). Pure.

The runs of one cell are dealt into two halves. Every other run is the pair that a person would have measured in turn; all other
ways to deal them show what else could have come out. A difference below the floor is none.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice
from math import comb
from statistics import median

from hostproof.judge import statistics
from hostproof.judge.comparison import PRIMARY
from hostproof.measure.result import Result

DEALS = 1000
"""Beyond so many ways to deal, as many random ones."""
SEED = 20261124


@dataclass(frozen=True)
class Floor:
    """Of one speed in one cell. `pair`: A2 by A1 of every other run; `floor`: the share that 19 of 20 deals stay below."""

    cell: str
    metric: str
    pair: float
    floor: float
    runs: int


def floors(result: Result) -> Iterator[Floor]:
    """From 6 runs on, fewer deal into nothing."""
    for measured in result.measurements:
        samples = measured.samples
        if measured.metric not in PRIMARY or len(samples) < statistics.LOOKS[0] or min(samples) <= 0:
            continue
        apart = sorted(abs(ratio - 1) for ratio in _ratios(samples))
        pair = median(samples[1::2]) / median(samples[::2])
        floor = apart[min(len(apart) - 1, int(0.95 * len(apart)))]
        yield Floor(measured.cell, measured.metric, pair, floor, len(samples))


def _ratios(samples: Sequence[float]) -> Iterator[float]:
    n = len(samples)
    for first in _deals(n):
        chosen = set(first)
        yield median(samples[i] for i in first) / median(samples[i] for i in range(n) if i not in chosen)


def _deals(n: int) -> Iterator[tuple[int, ...]]:
    if comb(n, n // 2) <= DEALS:
        yield from combinations(range(n), n // 2)
        return
    chance = random.Random(SEED)
    yield from islice((tuple(chance.sample(range(n), n // 2)) for _ in range(DEALS)), DEALS)
