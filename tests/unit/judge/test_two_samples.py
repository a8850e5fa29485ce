"""A ratio's interval holds as often as it says, for runs of any distribution, and never speaks from too few."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import combinations
from math import comb

import pytest

from hostproof.judge.two_samples import _ways, outer_rank, shift


def by_hand(m: int, n: int) -> list[int]:
    """How many orders of m + n runs give each U, counted one by one."""
    found = [0] * (m * n + 1)
    for places in combinations(range(m + n), m):
        found[sum(place - index for index, place in enumerate(places))] += 1
    return found


@pytest.mark.parametrize(("m", "n"), [(1, 1), (2, 3), (4, 4), (6, 3), (5, 7)])
def test_the_distribution_is_the_one_counted_by_hand(m: int, n: int) -> None:
    assert list(_ways(m, n)) == by_hand(m, n)


@pytest.mark.parametrize(("m", "n"), [(6, 6), (6, 25), (13, 9), (25, 25)])
def test_the_ranks_hold_the_confidence_and_the_next_do_not(m: int, n: int) -> None:
    rank = outer_rank(m, n, 0.95)
    assert rank is not None
    ways, every = _ways(m, n), comb(m + n, m)
    assert sum(ways[:rank]) / every <= 0.025
    assert sum(ways[: rank + 1]) / every > 0.025


@pytest.mark.parametrize("runs", [1, 2, 3])
def test_too_few_runs_have_a_ratio_and_no_interval(runs: int) -> None:
    found = shift([1.0] * runs, [9.0] * runs, 0.95)
    assert (found.interval.value, found.interval.low, found.side) == (9.0, None, "cannot tell")


def test_a_value_of_zero_makes_it_differences() -> None:
    found = shift([0.0] * 6, [1.0] * 6, 0.95)
    assert (found.kind, found.interval.low, found.side) == ("difference", 1.0, "more")


Draw = Callable[[random.Random], float]
SHAPES: dict[str, Draw] = {
    "normal": lambda chance: chance.gauss(30, 1),
    "skewed": lambda chance: chance.lognormvariate(0, 0.5),
    "with outliers": lambda chance: chance.gauss(30, 1) * (1 if chance.random() > 0.1 else 0.5),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("m", "n"), [(6, 6), (6, 13)])
def test_no_difference_is_called_one_less_than_once_in_twenty(shape: str, m: int, n: int) -> None:
    chance, draw, wrong = random.Random(11), SHAPES[shape], 0
    for _ in range(2000):
        before, after = [draw(chance) for _ in range(m)], [draw(chance) for _ in range(n)]
        wrong += shift(before, after, 0.95).side != "cannot tell"
    assert wrong / 2000 < 0.06


def test_unequal_spread_costs_little() -> None:
    """The case that the method does not promise: one host is quiet, the other is not."""
    chance, wrong = random.Random(5), 0
    for _ in range(2000):
        quiet, busy = [chance.gauss(30, 0.2) for _ in range(9)], [chance.gauss(30, 2) for _ in range(9)]
        wrong += shift(quiet, busy, 0.95).side != "cannot tell"
    assert wrong / 2000 < 0.08


def test_a_real_difference_is_found() -> None:
    chance, found = random.Random(2), 0
    for _ in range(300):
        before, after = [chance.gauss(30, 1) for _ in range(6)], [chance.gauss(27, 1) for _ in range(6)]
        found += shift(before, after, 0.95).side == "less"
    assert found / 300 > 0.9
