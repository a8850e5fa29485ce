"""What a setup differs from itself: a wider spread is a higher floor, and two halves of one thing stay below it."""

from __future__ import annotations

import random
from statistics import median

import pytest

from hostproof.judge.noise import floors

from .build import measured, result


def runs(spread: float, count: int, seed: int = 1) -> list[float]:
    chance = random.Random(seed)
    return [chance.gauss(30, spread) for _ in range(count)]


def test_a_busier_host_has_a_higher_floor() -> None:
    (quiet,) = floors(result(measured("generation_throughput", runs(0.1, 9))))
    (busy,) = floors(result(measured("generation_throughput", runs(3.0, 9))))
    assert quiet.floor < 0.01
    assert busy.floor > 0.05


def test_the_pair_is_every_other_run() -> None:
    (found,) = floors(result(measured("ttft", (1.0, 2.0) * 3)))
    assert (found.pair, found.runs) == (2.0, 6)


@pytest.mark.parametrize("count", [6, 12, 24])
def test_two_halves_of_one_thing_stay_below_the_floor_nineteen_times_of_twenty(count: int) -> None:
    above = 0
    for seed in range(200):
        samples = runs(1.0, count, seed)
        (found,) = floors(result(measured("generation_throughput", samples)))
        above += abs(median(samples[1::2]) / median(samples[::2]) - 1) > found.floor
    assert above / 200 < 0.1


def test_too_few_runs_and_other_metrics_have_no_floor() -> None:
    few = measured("ttft", (1.0,) * 5)
    other = measured("cpu_utilisation", (0.5,) * 9)
    assert list(floors(result(few, other))) == []
