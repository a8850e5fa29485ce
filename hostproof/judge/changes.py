"""Where a series of runs changed its level: Pettitt's test (1979) with standardised ranks, its chance by permutation. Pure.

Assumes no distribution. If nothing changed, every order of the values is equally likely, so the chance of a split that
stands out as much is that share of random orders that has one: false alarms stay at the stated level.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import comb
from statistics import median

FEWEST = 8
"""Values below which even a clean step in the middle is no surprise at 5 %: 4 and 4 of 8 happens once in 35 by chance."""
ORDERS = 4999
"""Random orders: a chance of 1 % is known to within 0.3 %."""
SEED = 20261124
"""The same series gives the same answer every time."""


@dataclass(frozen=True)
class Change:
    """`index`: of the first value of the new level. `chance`: of a split as clear as this one where nothing changed."""

    index: int
    chance: float
    before: float
    after: float


def fewest(level: float) -> int:
    """Values from which on a clean step in the middle is less likely than `level` by chance: 2 of C(n, n/2) orders have one."""
    n = FEWEST
    while 2 / comb(n, n // 2) > level:
        n += 1
    return n


def changes(values: Sequence[float], level: float) -> tuple[Change, ...]:
    """All changes, in order; each part between two is searched in turn (binary segmentation).

    If nothing changed at all, a change is found with a chance of `level` at most.
    """
    return tuple(sorted(_search(values, 0, level), key=lambda change: change.index))


def _search(values: Sequence[float], offset: int, level: float) -> Iterator[Change]:
    found = change(values)
    if found is None or found.chance > level:
        return
    yield Change(found.index + offset, found.chance, found.before, found.after)
    yield from _search(values[: found.index], offset, level)
    yield from _search(values[found.index :], offset + found.index, level)


def change(values: Sequence[float]) -> Change | None:
    """The clearest split, however unlikely; None below 8 values."""
    # Imported here: no other task has to wait a second for them.
    import numpy as np  # noqa: PLC0415
    from scipy.stats import rankdata  # noqa: PLC0415

    n = len(values)
    if n < FEWEST:
        return None
    ranks = np.array(rankdata(values), dtype=np.float64) - (n + 1) / 2
    left = np.arange(1, n)
    scale = np.sqrt(left * (n - left))
    seen = np.abs(np.cumsum(ranks)[:-1]) / scale
    orders = np.random.default_rng(SEED).permuted(np.tile(ranks, (ORDERS, 1)), axis=1)
    highest = (np.abs(np.cumsum(orders, axis=1)[:, :-1]) / scale).max(axis=1)
    as_clear = int((highest >= seen.max() - 1e-9).sum())
    chance = (1 + as_clear) / (ORDERS + 1)
    index = _where(values)
    return Change(index, chance, median(values[:index]), median(values[index:]))


def _where(values: Sequence[float]) -> int:
    """The split about whose two medians the values lie closest: ranks know that there is a step, values know best where."""
    return min(range(1, len(values)), key=lambda index: _loss(values[:index]) + _loss(values[index:]))


def _loss(values: Sequence[float]) -> float:
    middle = median(values)
    return sum(abs(value - middle) for value in values)
