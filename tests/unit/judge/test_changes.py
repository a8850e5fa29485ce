"""A change of level is found where it is, and a series that never changed is left alone as often as promised."""

from __future__ import annotations

import random

import pytest

from hostproof.judge.changes import FEWEST, change, changes, fewest


def steady(chance: random.Random, runs: int) -> list[float]:
    return [chance.lognormvariate(3.3, 0.05) for _ in range(runs)]


@pytest.mark.parametrize("runs", [12, 30])
def test_false_alarms_stay_at_their_level(runs: int) -> None:
    chance = random.Random(runs)
    alarms = sum(bool(changes(steady(chance, runs), 0.05)) for _ in range(300))
    assert alarms / 300 < 0.08


def test_a_step_of_three_deviations_is_found_within_a_run_of_where_it_is() -> None:
    chance, found = random.Random(8), 0
    for _ in range(100):
        values = [chance.gauss(27.6, 0.5) for _ in range(12)] + [chance.gauss(26.1, 0.5) for _ in range(8)]
        steps = changes(values, 0.05)
        found += len(steps) == 1 and abs(steps[0].index - 12) <= 1
    assert found > 80


def test_two_steps_are_two_changes_in_order() -> None:
    values = [10.0, 10.1, 9.9, 10.2, 10.05, 9.95, 10.15, 9.85, 10.12, 9.88] * 2
    steps = changes([*values, *(x * 2 for x in values), *(x * 3 for x in values)], 0.01)
    assert [step.index for step in steps] == [20, 40]
    assert (round(steps[0].before), round(steps[0].after)) == (10, 20) or steps[0].before < steps[0].after


def test_the_same_series_gives_the_same_answer() -> None:
    values = steady(random.Random(1), 15)
    assert change(values) == change(values)


def test_too_few_runs_show_no_change() -> None:
    assert change([1.0] * (FEWEST - 1)) is None
    assert changes([1.0, 1.0, 1.0, 9.0, 9.0, 9.0], 0.05) == ()


def test_a_series_that_never_moves_has_no_change() -> None:
    assert changes([5.0] * 20, 0.05) == ()


@pytest.mark.parametrize(("level", "runs"), [(0.05, 8), (0.05 / 6, 10), (0.001, 14)])
def test_how_many_runs_it_takes(level: float, runs: int) -> None:
    assert fewest(level) == runs
