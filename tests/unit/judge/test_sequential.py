"""The promise of the rule, counted exactly and simulated: how often it errs, how soon it is settled, what it would take."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from hostproof.judge import sequential
from hostproof.judge.model import Outcome
from hostproof.judge.statistics import LOOKS, median_interval, median_ranks
from hostproof.judge.verdict import place
from hostproof.measure import growth
from hostproof.measure.settling import Bound, lengths, settle, warming

from .build import threshold

Host = Callable[[random.Random, int], list[float]]
BOUND = 27.0


def steady(middle: float) -> Host:
    return lambda chance, runs: [chance.gauss(middle, 1.0) for _ in range(runs)]


def skewed(chance: random.Random, runs: int) -> list[float]:
    """Its median is the bound."""
    return [BOUND * chance.lognormvariate(0, 0.3) for _ in range(runs)]


def drifting(chance: random.Random, runs: int) -> list[float]:
    """On the bound, and each run resembles the one before: a first-order autoregression of 0.5."""
    found = [chance.gauss(0, 1)]
    while len(found) < runs:
        found.append(0.5 * found[-1] + chance.gauss(0, 0.75**0.5))
    return [BOUND + value for value in found]


def warming_up(chance: random.Random, runs: int) -> list[float]:
    """Well above the bound, but the first three runs are far below."""
    return [20.0 + n for n in range(3)] + [chance.gauss(BOUND + 2.5, 0.5) for _ in range(runs - 3)]


LOWER = Bound(BOUND, None, "higher")
Rule = Callable[[list[float]], str]


def careful(samples: list[float]) -> str:
    """As instrument and judge have it."""
    return settle(samples, LOWER, median_ranks).side


def careless(samples: list[float]) -> str:
    """The intervals alone."""
    found = place(threshold(bound=BOUND), median_interval(samples))
    return {Outcome.PROVEN: "good", Outcome.BELOW: "bad"}.get(found, "across")


def simulated(host: Host, rule: Rule = careful, hosts: int = 3000) -> dict[str, float]:
    """From look to look until it is settled: the share of each answer, and the runs that it took."""
    chance, answers, runs = random.Random(17), {"good": 0, "bad": 0, "across": 0}, 0
    for _ in range(hosts):
        samples = host(chance, LOOKS[-1])
        look, answer = next(
            ((n, found) for n in LOOKS if (found := rule(samples[:n])) != "across"), (LOOKS[-1], "across")
        )
        answers[answer] += 1
        runs += look
    return {**{answer: count / hosts for answer, count in answers.items()}, "runs": runs / hosts}


def test_the_error_is_counted_exactly() -> None:
    spent = [round(each.chance, 4) for each in sequential.spending()]
    assert spent == [0.0156, 0.0273, 0.0314, 0.0388, 0.0495]
    assert sequential.error() <= 0.05


@pytest.mark.parametrize("host", [steady(BOUND), skewed])
def test_on_the_bound_it_passes_and_fails_falsely_in_five_of_a_hundred(host: Host) -> None:
    found = simulated(host)
    assert found["good"] < 0.055
    assert found["bad"] < 0.055
    assert found["across"] > 0.88
    assert found["runs"] > 23


def test_one_deviation_on_the_good_side_is_proven_in_a_dozen_runs() -> None:
    found = simulated(steady(BOUND + 1))
    assert found["bad"] < 0.001
    assert found["good"] > 0.93
    assert found["runs"] < 14


def test_two_deviations_take_seven_runs() -> None:
    found = simulated(steady(BOUND + 2))
    assert found["good"] > 0.99
    assert found["runs"] < 8


def test_runs_that_resemble_each_other_err_less_for_being_found_out() -> None:
    """Not cured: 6 runs show nothing of it."""
    before, now = simulated(drifting, careless), simulated(drifting)
    assert before["good"] > 0.17
    assert now["good"] < 0.16
    assert now["bad"] < 0.13


def test_a_warm_up_is_found_and_the_host_proven() -> None:
    found = simulated(warming_up)
    assert found["good"] > 0.95
    assert found["bad"] == 0.0


@pytest.mark.parametrize("runs", [7, 9, 13, 18, 25])
def test_a_steady_host_loses_first_runs_once_in_forty_at_most(runs: int) -> None:
    chance = random.Random(runs)
    lost = sum(bool(warming([chance.gauss(30, 1) for _ in range(runs)], "higher")) for _ in range(4000))
    assert lost / 4000 <= 0.03


def test_six_runs_show_no_warm_up() -> None:
    assert lengths(6) == ()
    assert warming([20, 21, 27, 28, 29, 30], "higher") == 0


def test_a_host_that_slows_down_keeps_every_run() -> None:
    fast_first = [30.0, 30.1, 30.2, *(20.0 + n / 10 for n in range(10))]
    assert warming(fast_first, "higher") == 0
    assert warming(fast_first, "lower") == 3
    assert warming(fast_first, None) == 0


def test_runs_that_resemble_each_other_count_as_fewer() -> None:
    samples = drifting(random.Random(3), 25)
    found, plain = settle(samples, LOWER, median_ranks), median_interval(samples)
    assert found.worth < 25
    assert plain.low is not None
    assert found.low is None or found.low <= plain.low
    slow = settle([BOUND - 3 + n / 2 for n in range(12)], LOWER, median_ranks)
    assert (slow.side, slow.low, slow.worth < 6) == ("across", None, True)


def test_a_bound_far_away_is_not_reached_by_resembling() -> None:
    rising = [30.0 + n / 10 for n in range(9)]
    assert settle(rising, Bound(8.0, None, "higher"), median_ranks).side == "good"
    assert settle(rising, Bound(30.2, None, "higher"), median_ranks).side == "across"


@pytest.mark.parametrize(
    ("samples", "least", "most"),
    [
        ([28.0, 28.5, 29.0, 26.9, 29.5, 30.0], 9, 40),
        ([26.0, 28.0, 26.5, 28.5, 27.5, 27.2], 60, 400),
    ],
)
def test_what_it_would_take_grows_with_nearness(samples: list[float], least: int, most: int) -> None:
    runs = sequential.runs_to_settle(samples, BOUND)
    assert runs is not None
    assert least <= runs <= most


def test_a_bound_in_the_middle_takes_more_runs_than_anybody_makes() -> None:
    assert sequential.runs_to_settle([26.0, 28.0] * 3, BOUND) is None


def test_what_it_would_take_is_what_it_takes() -> None:
    """Four cases of five: three of four runs lie on the good side, as they did in the runs that the estimate saw."""
    chance, seen = random.Random(9), [26.0] * 3 + [28.0] * 9
    runs = sequential.runs_to_settle(seen, BOUND)
    assert runs is not None
    settled = 0
    for _ in range(500):
        samples = [26.0 if chance.random() < 3.5 / 13 else 28.0 for _ in range(runs)]
        settled += place(threshold(bound=BOUND), median_interval(samples)) is Outcome.PROVEN
    assert settled / 500 > 0.75


def test_the_rule_for_the_instrument_has_the_medians_alone_and_is_one_it_reads() -> None:
    wanted = [
        threshold(),
        threshold("failed_requests", "max", 0.0, "max"),
        threshold("ttft", "max", 5.0, "p95"),
        threshold(bound=40.0, goal=True),
        threshold(kind="min_fraction_of_roofline", low=None, high=None, fraction=0.3),
    ]
    known = growth.parse(dict(sequential.rule(wanted, 80.0, 900.0)), "growth")
    assert [(each.metric, each.bound.low, each.bound.good) for each in known.bounds] == [
        ("generation_throughput", 25.0, "higher"),
        ("generation_throughput", 24.0, "higher"),
    ]
    assert known.looks == (6, 9, 13, 18, 25)
    assert [known.ranks[look] for look in known.looks] == [(1, 6), (2, 8), (3, 11), (5, 14), (8, 18)]
    unknown = growth.parse(dict(sequential.rule(wanted, 0.0, 900.0)), "growth")
    assert len(unknown.bounds) == 1
