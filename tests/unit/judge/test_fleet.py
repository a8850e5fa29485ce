"""Hosts side by side: order as far as the intervals tell it, and an outlier only beyond what chance gives."""

from __future__ import annotations

import random
from statistics import median

import pytest

from hostproof.judge import fleet
from hostproof.judge.fleet import FEWEST_HOSTS, LIMITS, NORMAL, Place, groups, ranked
from hostproof.judge.statistics import Interval
from hostproof.measure.result import Result

from .build import epyc


def hosts(*speeds: float) -> list[Result]:
    return [epyc(seed=n, speed=speed, host=f"h{n + 1}") for n, speed in enumerate(speeds)]


def place(host: str, value: float, half: float | None = 0.5, metric: str = "generation_throughput") -> Place:
    low, high = (None, None) if half is None else (value - half, value + half)
    return Place(host, metric, "decode", Interval(value, low, high))


def test_the_faster_host_is_first_and_the_shorter_wait_too() -> None:
    (group,) = groups(hosts(20.0, 30.0, 25.0))
    assert [each.host for each in group.speed] == ["h2", "h3", "h1"]
    assert [each.found.value for each in group.wait] == sorted(each.found.value for each in group.wait)


def test_hosts_that_the_intervals_do_not_tell_apart_share_their_ranks() -> None:
    found = ranked([place("a", 30.0), place("b", 29.5), place("c", 20.0)])
    assert [(each.host, each.first, each.last) for each in found] == [("a", 1, 2), ("b", 1, 2), ("c", 3, 3)]


def test_of_waits_the_short_ones_come_first() -> None:
    found = ranked([place("a", 3.0, metric="ttft"), place("b", 1.0, metric="ttft")])
    assert [(each.host, each.first, each.last) for each in found] == [("b", 1, 1), ("a", 2, 2)]


def test_without_intervals_there_is_an_order_and_no_rank() -> None:
    found = ranked([place("a", 30.0, None), place("b", 40.0)])
    assert [(each.host, each.first) for each in found] == [("b", None), ("a", None)]


def test_a_host_at_half_speed_is_the_outlier_and_alone() -> None:
    (group,) = groups(hosts(27.6, 27.5, 27.7, 27.6, 13.8))
    (odd,) = group.outliers
    assert (odd.host, odd.metric, odd.good) == ("h5", "generation_throughput", False)
    assert odd.distance > odd.limit == LIMITS[5]
    assert group.too_few == ""


def test_a_host_that_is_better_is_an_outlier_too_and_said_to_be_better() -> None:
    (group,) = groups(hosts(27.6, 27.5, 27.7, 27.6, 55.0))
    (odd,) = group.outliers
    assert odd.good


@pytest.mark.parametrize("count", [2, 3])
def test_too_few_hosts_blame_nobody_and_say_so(count: int) -> None:
    (group,) = groups(hosts(27.6, 10.0, 27.7)[:count])
    assert group.outliers == ()
    assert group.too_few.startswith(f"{count} hosts: with fewer than {FEWEST_HOSTS}")


def test_hosts_that_agree_to_the_last_digit_blame_none_for_less_than_their_own_noise() -> None:
    """A MAD of zero would put the smallest difference infinitely far away."""
    found = [place(f"h{n}", 27.6) for n in range(5)] + [place("h5", 27.9)]
    assert list(fleet._outliers(found)) == []
    assert [each.host for each in fleet._outliers([*found[:5], place("h5", 20.0)])] == ["h5"]


def test_a_contended_host_neither_counts_nor_is_blamed() -> None:
    results = hosts(27.6, 27.5, 27.7, 27.6, 13.8)
    busy = {"number": 1, "contended": "others took 3 of 16 cores"}
    told = {"runs": [{"cell": cell, **busy} for cell in ("decode", "long-prompt")]}
    results[4] = epyc(seed=4, speed=13.8, host="h5", telemetry=told)
    (group,) = groups(results)
    assert group.outliers == ()
    assert [each.host for each in group.speed if each.contended] == ["h5"]
    (few,) = groups(results[2:])
    assert few.too_few.startswith("2 hosts that ran undisturbed, of 3")


def test_a_host_that_was_measured_otherwise_is_not_ranked_and_said_to_be() -> None:
    one, other = hosts(27.6, 27.5)
    changed = {
        **other.workload,
        "cells": [dict(other.workload["cells"][0], prompt_tokens=99), *other.workload["cells"][1:]],
    }
    (group,) = groups([one, epyc(host="h2", workload=changed)])
    assert [each.host for each in group.speed] == ["h1"]
    ((host, why),) = group.left_out
    assert host == "h2"
    assert "cells differ" in why


def test_other_models_are_other_groups_and_one_host_is_no_group() -> None:
    assert list(groups(hosts(27.6))) == []
    one, other = hosts(27.6, 27.5)
    assert (
        list(groups([one, epyc(host="h2", setup=type(one.setup)("gpu", "vllm_server", "another", 7.0))]))
        == []
    )
    assert other.host == "h2"


@pytest.mark.parametrize("count", [4, 5, 8, 12, 20])
def test_of_hosts_that_are_alike_one_is_blamed_once_in_a_hundred_fleets(count: int) -> None:
    """The promise of LIMITS, by simulation: 4,000 fleets, so 0.4 to 1.8 % is chance."""
    dice, rounds = random.Random(count), 4000
    limit = LIMITS[max(known for known in LIMITS if known <= count)]
    blamed = 0
    for _ in range(rounds):
        values = [dice.gauss(0, 1) for _ in range(count)]
        middle = median(values)
        away = [abs(value - middle) for value in values]
        blamed += max(away) > limit * NORMAL * median(away)
    assert 0.004 <= blamed / rounds <= 0.018
