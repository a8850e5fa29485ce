"""From values to places: a linear scale with round ticks, in percent of the width. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor, log10

EDGE = 4.0
"""Percent of the width left free at both ends, so that marks and labels are not cut."""


@dataclass(frozen=True)
class Scale:
    low: float
    high: float

    def place(self, value: float) -> float:
        """Percent of the width; values outside lie on the edge."""
        share = (value - self.low) / (self.high - self.low)
        return round(EDGE + min(max(share, 0.0), 1.0) * (100 - 2 * EDGE), 2)

    def ticks(self, about: int = 6) -> list[float]:
        """Multiples of 1, 2 or 5 that lie inside."""
        rough = (self.high - self.low) / about
        power = 10.0 ** floor(log10(rough))
        step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough * 0.999)
        first, last = ceil(self.low / step - 1e-9), floor(self.high / step + 1e-9)
        return [n * step for n in range(first, last + 1)]


def around(values: Iterable[float], *, zero: bool = False) -> Scale:
    """Holds all values with some air; with `zero` it begins there."""
    found = list(values)
    low, high = min(found), max(found)
    low = 0.0 if zero else low
    air = (high - low) * 0.06 or abs(high) * 0.05 or 1.0
    # Nothing measured here is negative: air below zero would only mislead.
    return Scale(low if zero else max(low - air, 0.0), high + air)


@dataclass(frozen=True)
class LogScale:
    """The same for values that span decades. Both ends are above zero."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Percent of the width; values outside lie on the edge."""
        share = log10(max(value, self.low) / self.low) / log10(self.high / self.low)
        return round(EDGE + min(max(share, 0.0), 1.0) * (100 - 2 * EDGE), 2)

    def ticks(self) -> list[float]:
        """1, 2 and 5 times powers of ten; the powers alone where those are many."""
        powers = range(floor(log10(self.low)), ceil(log10(self.high)) + 1)
        steps = (1, 2, 5) if len(powers) <= 4 else (1,)
        made = [m * 10.0**power for power in powers for m in steps]
        return [value for value in made if self.low * 0.999 <= value <= self.high * 1.001]


def around_log(values: Iterable[float]) -> LogScale:
    """Holds all values above zero with some air."""
    found = [value for value in values if value > 0]
    return LogScale(min(found) / 1.15, max(found) * 1.15)
