"""Two Results of one kind: a word for each metric, and a refusal where they are of two kinds."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from hostproof.exits import ExitStatus
from hostproof.judge.comparison import Word, compare, exit_status, unlike
from hostproof.measure.result import Check, Result

from . import build
from .build import epyc, measured, result

FAST, SLOW = (27.0, 27.1, 27.2, 27.3, 27.4, 27.5), (24.0, 24.1, 24.2, 24.3, 24.4, 24.5)


def words(before: Result, after: Result) -> dict[str, Word]:
    return {row.metric: row.word for row in compare(before, after).rows}


@pytest.mark.parametrize(
    ("metric", "word"),
    [
        ("generation_throughput", Word.WORSE),
        ("ttft", Word.BETTER),
        ("latency_at_200", Word.BETTER),
        ("cpu_utilisation", Word.LESS),
    ],
)
def test_less_is_worse_better_or_neither(metric: str, word: Word) -> None:
    assert words(result(measured(metric, FAST)), result(measured(metric, SLOW))) == {metric: word}


def test_the_same_to_the_last_digit_is_said_so() -> None:
    one = result(measured("prefix_cache_hit_rate", (0.98,) * 6))
    assert words(one, one) == {"prefix_cache_hit_rate": Word.SAME}


def test_the_exit_status_is_that_of_the_worst_speed() -> None:
    fast, slow = (result(measured("generation_throughput", each)) for each in (FAST, SLOW))
    busy = result(measured("cpu_utilisation", FAST)), result(measured("cpu_utilisation", SLOW))
    assert exit_status([compare(fast, slow)]) is ExitStatus.NO
    assert exit_status([compare(slow, fast)]) is ExitStatus.YES
    assert exit_status([compare(fast, fast)]) is ExitStatus.INCONCLUSIVE
    assert exit_status([compare(*busy)]) is ExitStatus.INCONCLUSIVE
    assert exit_status([compare(slow, fast), compare(fast, slow)]) is ExitStatus.NO


def test_more_speeds_take_more_confidence_each() -> None:
    one = compare(result(measured("ttft", FAST)), result(measured("ttft", SLOW)))
    three = compare(epyc(), epyc(seed=2))
    assert one.confidence == 0.95
    assert three.confidence == pytest.approx(1 - 0.05 / 4)


def test_gaps_between_tokens_and_what_only_one_has_are_no_rows() -> None:
    before = result(
        measured("ttft", FAST),
        measured("inter_token_latency", FAST, over="tokens"),
        measured("latency_at_200", FAST),
    )
    after = result(measured("ttft", FAST), measured("inter_token_latency", FAST, over="tokens"))
    assert [row.metric for row in compare(before, after).rows] == ["ttft"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"setup": replace(result().setup, model="other")}, "the models differ: coder and other"),
        ({"workload": {**build.ONE_CELL, "version": 2}}, "the workloads differ: seed/1 and seed/2"),
        ({"workload": {**build.ONE_CELL, "name": "lab"}}, "the workloads differ: seed/1 and lab/1"),
        ({"workload": build.WORKLOAD}, "both workloads are called seed/1, but their cells differ"),
    ],
)
def test_figures_of_two_things_are_unlike(changed: dict[str, Any], said: str) -> None:
    assert list(unlike(result(), result(**changed))) == [said]


def test_more_runs_and_another_host_are_no_other_thing() -> None:
    more = {**build.ONE_CELL, "runs": 25, "warmups": 2, "description": "longer"}
    assert list(unlike(result(), result(workload=more, host="epyc02"))) == []


def test_what_differs_around_them_is_told_but_not_what_always_does() -> None:
    env = {**result().environment, "kernel": "6.8.0-49", "load_before": "0.2 0.2 0.2"}
    found = compare(result(), result(environment=env, host="epyc02"))
    assert found.circumstances == (("host", "epyc01", "epyc02"), ("kernel", "–", "6.8.0-49"))


def test_what_weakens_a_result_is_told() -> None:
    broken = result(checks=(*build.OK, Check("max_tokens", False, "9 of 5")))
    warming = result(measured("generation_throughput", tuple(20.0 + n for n in range(10))))
    told = compare(broken, warming).remarks
    assert told[0].startswith("the first failed max_tokens")
    assert told[1].startswith("the second: runs of generation_throughput in decode resemble the one before")


def test_two_measurements_of_one_host_differ_once_in_twenty() -> None:
    """All speeds together: the promise over a whole comparison, not over one row."""
    chance, wrong = random.Random(4), 0
    for _ in range(600):
        pair = [
            result(
                *(
                    measured(metric, [chance.gauss(30, 1) for _ in range(6)], cell)
                    for metric in ("ttft", "generation_throughput")
                    for cell in ("decode", "long-prompt", "prefix")
                )
            )
            for _ in range(2)
        ]
        wrong += exit_status([compare(*pair)]) is not ExitStatus.INCONCLUSIVE
    assert wrong / 600 < 0.07
