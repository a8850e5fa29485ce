"""Intervals come from the ordered runs alone, and keep the promise that docs/judging.md makes."""

from __future__ import annotations

import random
from math import comb
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostproof.judge import statistics

FINITE = st.floats(min_value=0, max_value=1e9, allow_nan=False)


def below(k: int, n: int, p: float) -> float:
    """P(Bin(n, p) < k), written out once more so that a slip in the code does not repeat here."""
    return sum(comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k))


@pytest.mark.parametrize(
    ("runs", "ranks"), [(5, None), (6, (1, 6)), (9, (2, 8)), (13, (3, 11)), (18, (5, 14)), (25, (8, 18))]
)
def test_ranks_of_the_median_at_each_look(runs: int, ranks: tuple[int, int] | None) -> None:
    assert statistics.median_ranks(runs) == ranks


@pytest.mark.parametrize("runs", range(6, 80))
def test_the_ranks_hold_95_percent_and_no_narrower_pair_does(runs: int) -> None:
    ranks = statistics.median_ranks(runs)
    assert ranks is not None
    lower, upper = ranks
    assert lower + upper == runs + 1
    assert 1 - 2 * below(lower, runs, 0.5) >= 0.95
    assert 1 - 2 * below(lower + 1, runs, 0.5) < 0.95


@given(st.lists(FINITE, min_size=6, max_size=40))
def test_the_interval_is_made_of_runs_and_holds_the_median(samples: list[float]) -> None:
    found = statistics.median_interval(samples)
    assert found.value == median(samples)
    assert found.low in samples
    assert found.high in samples
    assert found.low <= found.value <= found.high


@given(st.lists(FINITE, min_size=1, max_size=40), st.randoms())
def test_the_order_of_the_runs_does_not_matter_for_an_interval(
    samples: list[float], chance: random.Random
) -> None:
    mixed = list(samples)
    chance.shuffle(mixed)
    assert statistics.median_interval(mixed) == statistics.median_interval(samples)
    assert statistics.quantile_interval(mixed, statistics.P95) == statistics.quantile_interval(
        samples, statistics.P95
    )


def test_too_few_runs_have_a_median_and_no_interval() -> None:
    assert statistics.median_interval([3.0, 1.0, 2.0]) == statistics.Interval(2.0, None, None)


def test_the_interval_misses_the_true_median_once_in_twenty_at_most() -> None:
    chance, missed = random.Random(7), 0
    for _ in range(4000):
        found = statistics.median_interval([chance.lognormvariate(0, 1) for _ in range(9)])
        assert found.low is not None
        assert found.high is not None
        missed += not found.low <= 1.0 <= found.high
    assert missed / 4000 < 0.05


def test_a_p95_has_no_upper_limit_before_59_runs() -> None:
    assert statistics.quantile_interval([float(n) for n in range(58)], statistics.P95).high is None
    assert statistics.quantile_interval([float(n) for n in range(59)], statistics.P95).high == 58.0
    assert statistics.P95_RUNS == 59


@pytest.mark.parametrize("runs", [59, 93, 200])
def test_the_limits_of_a_p95_hold_95_percent_each(runs: int) -> None:
    lower, upper = statistics.quantile_ranks(runs, statistics.P95)
    assert lower is not None
    assert upper is not None
    assert below(upper, runs, 0.95) >= 0.95
    assert below(upper - 1, runs, 0.95) < 0.95
    assert 1 - below(lower, runs, 0.95) >= 0.95


def test_a_percentile_lies_between_its_neighbours() -> None:
    assert statistics.percentile([4.0, 1.0, 2.0, 3.0], 50) == 2.5
    assert statistics.percentile([1.0], 95) == 1.0
    assert statistics.percentile([0.0, 100.0], 95) == 95.0


def test_the_spread_of_known_runs() -> None:
    found = statistics.spread([5.0, 1.0, 2.0, 4.0, 3.0])
    assert (found.low, found.first_quartile, found.third_quartile, found.high) == (1, 2, 4, 5)
    assert found.iqr == 2


def test_autocorrelation_needs_nine_runs_that_differ() -> None:
    assert statistics.autocorrelation([1.0, 2.0] * 4) is None
    assert statistics.autocorrelation([1.0] * 12) is None


def test_a_host_that_warms_up_depends_on_the_run_before() -> None:
    warming = [20.0, 21.0, 22.0, 23.0, 24.0, 25.0, 26.0, 27.0, 28.0, 29.0]
    assert statistics.depends_on_the_run_before(warming)
    assert not statistics.depends_on_the_run_before([20.0, 29.0] * 5)


def test_runs_in_random_order_are_called_dependent_once_in_twenty() -> None:
    chance = random.Random(3)
    found = sum(
        statistics.depends_on_the_run_before([chance.gauss(30, 1) for _ in range(18)]) for _ in range(2000)
    )
    assert 0.02 < found / 2000 < 0.08
